"""Random values pass through the client unchanged; the test compares them with Python's json."""

from __future__ import annotations

import json
import math
import random
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.sdk_js.sites import BUN, ESBUILD, PROGRAMS, ROOT, SDK

VALUES: Final = 3000
SAFE: Final = 2**53
PIECES: Final = (
    "#",
    "#i",
    "#s",
    "\\",
    '"',
    "1234567890123456789",
    "9007199254740993",
    "-",
    ".",
    ":",
    "{",
    "\u20ac",
    "\n",
    "e5",
    "\u2028",
    "\U0001f600",
    " ",
)


def text(draw: random.Random) -> str:
    return "".join(draw.choices(PIECES, k=draw.randrange(5)))


def number(draw: random.Random) -> int | float:
    match draw.randrange(6):
        case 0:
            return draw.randrange(-(2**70), 2**70)
        case 1:
            return draw.choice((SAFE, SAFE - 1, SAFE + 1, 2**63 - 1, 10**15, 10**16, 10**17 + 1)) * draw.choice((1, -1))
        case 2:
            return math.ldexp(draw.uniform(-1, 1), draw.randrange(-1000, 1000))
        case 3:
            return draw.choice(
                (168.79998779296875, -0.0013457057798441524, 12345678901234567.25, 1e308, 5e-324, 0.1, 1e22)
            )
        case 4:
            return float(draw.randrange(SAFE, 2**63))
        case _:
            return draw.randrange(-1000, 1000)


def value(draw: random.Random, levels: int = 4) -> Any:
    match draw.randrange(9 if levels else 4):
        case 0 | 4 | 5:
            return number(draw)
        case 1:
            return text(draw)
        case 2:
            return draw.choice((True, False, None))
        case 3:
            return text(draw) * 40
        case 6:
            return [value(draw, levels - 1) for _ in range(draw.randrange(4))]
        case _:
            return {text(draw): value(draw, levels - 1) for _ in range(draw.randrange(4))}


def exact(found: Any) -> Any:
    """Return the value with the kinds of its long numbers.

    A short number such as 5.0 may become 5, but a long number may not.
    """
    match found:
        case bool() | None | str():
            return found
        case int() | float():
            return (type(found).__name__ if abs(found) > SAFE else "", found)
        case list():
            return [exact(item) for item in found]
        case _:
            return {name: exact(item) for name, item in found.items()}


@pytest.mark.parametrize("runtime", ["node", "bun"])
def test_every_value_comes_back_with_all_its_digits(runtime: str, tmp_path: Path) -> None:
    draw = random.Random(14)
    values = [value(draw) for _ in range(VALUES)]
    values.append(["\n" * 4_000_000, 2**62])  # The text has more escapes than one pattern can match in V8.
    values.append(["\\" * 500_000, "a" * 500_000, 2**62])
    (tmp_path / "lines").write_text("\n".join(json.dumps(one, ensure_ascii=draw.random() < 0.5) for one in values))
    module = tmp_path / "json.mjs"
    subprocess.run(
        [ESBUILD, SDK / "src/json.ts", "--bundle", "--format=esm", f"--outfile={module}", "--log-level=warning"],
        check=True,
        cwd=ROOT,
    )

    command = [BUN if runtime == "bun" else "node", PROGRAMS / "there_and_back.mjs", module, tmp_path / "lines"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    wanted = [exact(one) for one in values]
    found = [json.loads(line) for line in ran.stdout.rstrip("\n").split("\n")]
    assert [exact(one) for one in found] == wanted
