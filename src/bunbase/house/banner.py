"""What a person sees in the terminal: progress, then the address, where the data lies, what to type next."""

from __future__ import annotations

import sys
import time

from bunbase import __version__
from bunbase.pkg.modules import Site


def step(what: str) -> None:
    _say(f"· {what}")


def ready(mode: str, site: Site, started: float) -> None:
    _say(
        f"\n  BunBase {__version__} ({mode}) is ready after {time.monotonic() - started:.1f} s\n"
        f"\n"
        f"  address   {site.public_url}\n"
        f"  data      {site.data_dir}\n"
        f"  next      bunbase register --url {site.public_url}\n"
        f"  stop      Ctrl-C\n"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
