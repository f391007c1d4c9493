"""Bundle a function with Bun on this machine: its file and all imports become one CommonJS file with a source map."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from bunbase.cli.errors import Failure
from bunbase.cli.source_paths import relative_map, without_paths
from bunbase.pkg.bun import BunMissing, find_bun

SECONDS: Final = 120
OPTIONS: Final = (
    "--target=bun",
    "--format=cjs",
    "--sourcemap=external",
    # no variable of this machine goes into a bundle, because a function's variables come from the server
    "--env=disable",
    '--define=process.env.NODE_ENV="production"',
    # Without these options, Bun writes this machine's paths into the bundle, or an `import.meta`, which a script may
    # not contain. The worker defines the name, with the values of the worker's own __dirname and __filename
    # (runtime/machine.ts).
    "--define=import.meta=__bunbase_import_meta__",
    '--define=__dirname="/"',
    '--define=__filename="/function.js"',
)

AWAIT_OUTSIDE: Final = re.compile(r"error: .*\"await\" (?:can only be used inside|outside) an ")
AT: Final = re.compile(r"^ +at (.*:\d+):\d+$", re.MULTILINE)
TOP_LEVEL_AWAIT: Final = (
    "A function cannot await at its top level. Keep the promise, and await it in the handler: "
    "`const ready = load(); export default async () => { const data = await ready; … }`."
)
DEBUG_ID: Final = re.compile(rb"(?<=\n)//# debugId=[0-9A-F]{32}(?=\s*\Z)")


class Bundled(msgspec.Struct, frozen=True):
    """A bundle. `sources`: every file that Bun has read to make the bundle."""

    code: bytes
    source_map: bytes | None
    sources: tuple[Path, ...] = ()


def bundle(entry: Path) -> Bundled:
    """Return the bundle of a function's file. Raises: Failure with the messages of Bun."""
    _check_path(entry)
    with tempfile.TemporaryDirectory(prefix="bunbase-") as folder:
        _build(entry, folder)
        return _only_output(entry, [path for path in Path(folder).rglob("*") if path.is_file()])


def _check_path(entry: Path) -> None:
    """Refuse a path with a backslash: Bun takes a backslash for a slash on every system, also behind symbolic links."""
    named = next((part for part in entry.resolve().parts if "\\" in part), None) if os.sep == "/" else None
    if named is not None:
        message = f"Bun takes the backslash in the name {named} for a slash, so it cannot read {entry}. Rename {named}."
        raise Failure("bundle_failed", message)


def _build(entry: Path, folder: str) -> None:
    try:
        command = [str(find_bun()), "build", str(entry), *OPTIONS, f"--outdir={folder}"]
        done = subprocess.run(  # noqa: S603  our code writes the arguments; the executable is the developer's Bun
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
        raise Failure("bundle_failed", f"{entry} could not be bundled:\n{_explained(said)}")


def _explained(said: str) -> str:
    """Return the messages of Bun.

    If one of the messages is about an `await` at the top level, explain the remedy, and drop all later messages.
    """
    errors = said.split("\n\n")
    awaits = {at[1] for error in errors if AWAIT_OUTSIDE.search(error) for at in AT.finditer(error)}
    if not awaits:
        return said
    kept = [error for error in errors if AWAIT_OUTSIDE.search(error) or not awaits & set(AT.findall(error))]
    return "\n\n".join((*kept, TOP_LEVEL_AWAIT))


def _only_output(entry: Path, files: list[Path]) -> Bundled:
    codes = [path for path in files if path.suffix == ".js"]
    maps = [path for path in files if path.suffix == ".map"]
    extra = sorted(path.name for path in files if path not in codes and path not in maps)
    if extra or len(codes) != 1:
        names = ", ".join(extra or sorted(path.name for path in codes)) or "nothing"
        raise Failure(
            "bundle_failed",
            f"A bundle must be one file, but {entry} became {names}. Import such files as text instead.",
        )
    if not maps:
        return Bundled(codes[0].read_bytes(), None)
    source_map, sources = relative_map(Path.cwd(), maps[0])
    code = without_paths(codes[0].read_bytes(), Path.cwd())
    return Bundled(_stamped(code, source_map or b""), source_map, sources)


def _stamped(code: bytes, source_map: bytes) -> bytes:
    """Replace Bun's debug id in the bundle with a hash of the source map.

    If an edit only moves lines, Bun's id and all other code stay the same. Without the new id, the bundle would look
    unchanged, and the command would not upload it. Stack traces would then still show the old line numbers.
    """
    return DEBUG_ID.sub(b"//# debugId=%b" % hashlib.sha256(source_map).hexdigest()[:32].upper().encode(), code)
