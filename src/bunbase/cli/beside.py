"""Run `bunbase watch` as a separate process for `bunbase dev`: bundling then does not slow the server down."""

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
    """Watch the folder and deploy to the server at `url` while the block runs."""
    command = [sys.executable, "-m", "bunbase.cli", "watch", "--url", url, "--beside", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603  our code writes every word of the command
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
