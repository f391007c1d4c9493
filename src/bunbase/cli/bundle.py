"""Bundling on this machine, with Bun: a function and all it imports become one CommonJS file."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from bunbase.cli.errors import Failure
from bunbase.pkg.bun import BunMissing, find_bun

SECONDS: Final = 120
OPTIONS: Final = (
    "--target=bun",
    "--format=cjs",
    "--sourcemap=external",
    "--env=disable",  # a function's environment is set on the server; nothing of this machine's goes into a bundle
    '--define=process.env.NODE_ENV="production"',
)


class Bundled(msgspec.Struct, frozen=True):
    code: bytes
    source_map: bytes | None


def bundle(entry: Path) -> Bundled:
    """Give the bundle of a function's file. Raises: Failure with what Bun has to say."""
    with tempfile.TemporaryDirectory(prefix="bunbase-") as folder:
        _build(entry, folder)
        return _only_output(entry, [path for path in Path(folder).rglob("*") if path.is_file()])


def _build(entry: Path, folder: str) -> None:
    try:
        command = [str(find_bun()), "build", str(entry), *OPTIONS, f"--outdir={folder}"]
        done = subprocess.run(  # noqa: S603  the words are ours, the executable is the developer's own Bun
            command, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, timeout=SECONDS, check=False
        )
    except BunMissing as error:
        raise Failure("bun_missing", str(error)) from None
    except OSError as error:
        raise Failure("bundle_failed", f"Bun could not be started: {error}.") from error
    except subprocess.TimeoutExpired:
        raise Failure("bundle_failed", f"{entry} was not bundled within {SECONDS} s.") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise Failure("bundle_failed", f"{entry} could not be bundled:\n{said}")


def _only_output(entry: Path, files: list[Path]) -> Bundled:
    codes = [path for path in files if path.suffix == ".js"]
    maps = [path for path in files if path.suffix == ".map"]
    extra = sorted(path.name for path in files if path not in codes and path not in maps)
    if extra or len(codes) != 1:
        names = ", ".join(extra or sorted(path.name for path in codes)) or "nothing"
        raise Failure(
            "bundle_failed", f"A function is one file, but {entry} became {names}: import such files as text instead."
        )
    return Bundled(codes[0].read_bytes(), maps[0].read_bytes() if maps else None)
