"""All known attacks from inside a function. Each must fail, with and without root, guard and a new kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
import pytest_asyncio

from bunbase.functions.sandbox.layers import ConfineWith
from bunbase.functions.sandbox.switch import Switch
from tests.functions.sandbox.ground import LONG, NEEDS_BUBBLEWRAP, USERS, As, Ground, aim, ask, ground

ATTACKS = Path(__file__).with_name("attacks.cjs").read_text()


NEWEST, OLDEST = 99, 1  # These are versions of Landlock. seccomp must stop what an old version does not cover.
# Inside bubblewrap, these attacks see only the worker's own root. test_bubblewrap.py tests its contents.
OF_ITS_OWN_ROOT = {"fs.readdirSync /", "fs.readdirSync of the runtime's neighbours", "Bun.$", "read /tmp", "read /home"}
WITH_LANDLOCK = [(user, guard, NEWEST, ConfineWith.LANDLOCK) for user in USERS for guard in (True, False)]
WITH_BUBBLEWRAP = [(user, False, 0, ConfineWith.BUBBLEWRAP) for user in USERS]
GROUNDS = [
    *WITH_LANDLOCK,
    (As.NOBODY, False, OLDEST, ConfineWith.LANDLOCK),
    *(pytest.param(one, marks=NEEDS_BUBBLEWRAP) for one in WITH_BUBBLEWRAP),
    pytest.param((As.NOBODY, True, 0, ConfineWith.BUBBLEWRAP), marks=NEEDS_BUBBLEWRAP),
]


@pytest_asyncio.fixture(params=GROUNDS, ids=lambda ground: "-".join(map(str, ground)))
async def field(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    user, guard, abi, confine_with = request.param
    async with ground(user, guard, abi=abi, confine_with=confine_with) as made:
        yield made


@pytest.mark.parametrize("attacks", ["files", "others", "raw"])
async def test_no_attack_from_inside_a_function_succeeds(field: Ground, tmp_path: Path, attacks: str) -> None:
    with aim(tmp_path) as target:
        worker = await field.worker(ATTACKS, target.env, **LONG)

        outcomes: dict[str, str] = msgspec.json.decode(await ask(worker, f"/{attacks}"))

        target.assert_unharmed()
    assert len(outcomes) > 40
    seen = OF_ITS_OWN_ROOT if field.starter.sandbox.confine_with is ConfineWith.BUBBLEWRAP else set()
    through = {name: outcome for name, outcome in outcomes.items() if not outcome.startswith("blocked")}
    assert {name: outcome for name, outcome in through.items() if name not in seen} == {}


CONTROL = {
    "files": (
        "fs.readFileSync",
        "Bun.file",
        "Bun.fetch file:",
        "the engine's import",
        "fs.existsSync",
        "read /etc/passwd",
    ),
    "others": ("Bun.spawnSync", "process.kill of the host", "net.connect", "net.connect abstract", "dgram.send"),
    "raw": ("openat", "socket udp", "memfd_create", "pidfd_open", "uname", "PR_SET_DUMPABLE", "F_SETOWN"),
}


@pytest.mark.parametrize("attacks", CONTROL)
async def test_the_attacks_succeed_without_the_sandbox(tmp_path: Path, attacks: str) -> None:
    query = urlencode({"only": CONTROL[attacks]}, doseq=True)
    async with ground(USERS[0], guard=False, switch=Switch.OFF) as field:
        with aim(tmp_path) as target:
            worker = await field.worker(ATTACKS, target.env, **LONG)

            outcomes: dict[str, str] = msgspec.json.decode(await ask(worker, f"/{attacks}?{query}"))

    assert {name for name, outcome in outcomes.items() if outcome.startswith("OPEN")} == set(CONTROL[attacks])
