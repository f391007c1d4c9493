"""Messages in the terminal: progress, then the address, the data directory, and the next command to type.

People get text, and programs (`--json`) get one JSON object per line. The text and the JSON go to standard output.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from bunbase import __version__
from bunbase.pkg.modules import Site


class Terminal:
    def __init__(self, json: bool) -> None:
        self.json = json
        self.started = time.monotonic()
        self.told_setup = (
            False  # True after the setup token was shown: that message already contains the next command, `register`
        )
        self.has_account = False

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.started, 2)

    def step(self, what: str) -> None:
        self._say(f"· {what}", event="step", what=what)

    def setup_token(self, token: str, url: str) -> None:
        """Show the token that the first account needs. The token is not stored, so it can be shown only once."""
        self.told_setup = True
        self._say(
            f"\n  The first account becomes the administrator and needs this token, which is shown only now:\n"
            f"\n"
            f"  setup     {_command()} register --url {url} --setup-token {token}\n",
            event="setup_token",
            token=token,
        )

    def ready(self, mode: str, site: Site, database: Path | None) -> None:
        """Show that BunBase is ready. `database`: the directory of the PostgreSQL that BunBase runs, or None."""
        elsewhere = database is not None and site.data_dir not in database.parents
        following = "" if self.told_setup else self._next(site.public_url)
        also = f"            and {database}\n" if elsewhere else ""
        self._say(
            f"\n  BunBase {__version__} ({mode}) is ready after {self.seconds:.1f} s\n"
            f"\n"
            f"  address   {site.public_url}\n"
            f"  data      {site.data_dir}\n{also}"
            f"{following}"
            f"  stop      Ctrl-C\n",
            event="ready",
            url=site.public_url,
            mode=mode,
            data_dir=str(site.data_dir),
            version=__version__,
            seconds=self.seconds,
        )

    def refuse(self, reason: str) -> None:
        """Write to standard error why BunBase does not start."""
        text = (
            msgspec.json.encode({"event": "refused", "detail": reason}).decode() if self.json else f"bunbase: {reason}"
        )
        sys.stderr.write(text + "\n")

    def _next(self, url: str) -> str:
        verb = "login" if self.has_account else "register"
        return f"  next      {_command()} {verb} --url {url}\n"

    def _say(self, text: str, **event: Any) -> None:
        sys.stdout.write((msgspec.json.encode(event).decode() if self.json else text) + "\n")
        sys.stdout.flush()


def _command() -> str:
    """Return the command that starts `bunbase` in this directory."""
    if shutil.which("bunbase"):
        return "bunbase"
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
