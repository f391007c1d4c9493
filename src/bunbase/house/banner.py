"""What a person sees in the terminal: progress, then the address, where the data lies, what to type next."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from bunbase import __version__
from bunbase.pkg.modules import Site


def step(what: str) -> None:
    _say(f"· {what}")


def ready(mode: str, site: Site, database: Path | None, started: float) -> None:
    """`database`: where our own PostgreSQL keeps its files."""
    elsewhere = database is not None and site.data_dir not in database.parents
    also = f"            and {database}\n" if elsewhere else ""
    _say(
        f"\n  BunBase {__version__} ({mode}) is ready after {time.monotonic() - started:.1f} s\n"
        f"\n"
        f"  address   {site.public_url}\n"
        f"  data      {site.data_dir}\n{also}"
        f"  next      {_command()} register --url {site.public_url}\n"
        f"  stop      Ctrl-C\n"
    )


def _command() -> str:
    """Give what a person here must type for `bunbase`."""
    if shutil.which("bunbase"):
        return "bunbase"
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
