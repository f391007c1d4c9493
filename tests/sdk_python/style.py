"""The style of generated files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.sdk_python.models import PACKAGE, ROOT

RUFF: Final = Path(sys.executable).with_name("ruff")


def formatted(text: str) -> str:
    """Return the text in the style of this repository, without unused imports."""
    where = ["--stdin-filename", str(PACKAGE / "sync/written.py"), "-"]
    for command in (["check", "-q", "--fix-only", "--select", "F401,I"], ["format", "-q"]):
        text = subprocess.run(
            [RUFF, *command, *where], input=text, capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
    return text
