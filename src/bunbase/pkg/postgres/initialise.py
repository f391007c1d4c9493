"""Create the data of a new cluster with `initdb`, completely or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from bunbase.pkg.postgres.binaries import Binaries
from bunbase.pkg.postgres.configuration import ROLE
from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.postgres.place import Place, hand_over
from bunbase.pkg.postgres.process import spawn
from bunbase.pkg.secret_files import sync_directory

INIT_SECONDS: Final = 120.0


def initialise(place: Place, binaries: Binaries, durable: bool, lock: int) -> None:
    """Run initdb in a draft directory, and rename it when it is complete. Raises: PostgresUnavailable."""
    draft = place.draft
    if draft.exists():
        shutil.rmtree(draft)  # An earlier attempt was killed and left this draft.
    hand_over(draft, place.account)
    with tempfile.TemporaryFile() as output:
        process = spawn(_initdb(binaries, draft, durable), place.account, draft, output, lock)
        try:
            failed = process.wait(INIT_SECONDS) != 0
        except BaseException:
            process.kill()
            process.wait()
            raise
        if failed:
            output.seek(0)
            said = output.read().decode("utf-8", "replace").strip()
            raise PostgresUnavailable(f"PostgreSQL could not set up {place.home}: {said}")
    draft.rename(place.data)
    sync_directory(place.home)


def _initdb(binaries: Binaries, draft: Path, durable: bool) -> list[str | Path]:
    # Text is sorted by code point, so the order is the same on all machines. In PostgreSQL 15 and 16, the only built-in
    # locale is C.
    own_locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []
    return [
        binaries.bin / "initdb",
        "--pgdata",
        draft,
        f"--username={ROLE}",
        "--encoding=UTF8",
        "--locale=C",
        *own_locale,
        "--auth-local=peer",
        "--auth-host=reject",
        "--data-checksums",
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]
