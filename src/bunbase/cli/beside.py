"""`bunbase watch` as a process beside the server of `bunbase dev`: its bundling takes no time from that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOP_SECONDS: Final = 5.0


@contextmanager
def watching(url: str) -> Iterator[None]:
    """Watch the folder for the server at `url` as long as the block lasts."""
    command = [sys.executable, "-m", "bunbase.cli", "watch", "--url", url, "--beside", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603  these very commands
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
