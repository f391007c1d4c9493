"""The wheel of the command, installed without a server, for somebody who works with a remote server.

`make command` runs this file: it builds the wheel, and asks the package index for the dependencies of other systems.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SYSTEMS = ("x86_64-pc-windows-msvc", "aarch64-apple-darwin", "x86_64-apple-darwin")

pytestmark = pytest.mark.skipif(os.environ.get("BUNBASE_COMMAND") != "1", reason="make command needs the package index")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "-q", "--wheel", "--no-build-isolation", "-o", folder], check=True, cwd=ROOT)
    return next(folder.glob("*.whl"))


def test_the_wheel_has_no_compiled_code(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_alone_is_the_whole_command(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([UV, "pip", "install", "-q", "--python", python, wheel], check=True)
    bunbase = tmp_path / "venv/bin/bunbase"

    helped = subprocess.run([bunbase, "--help"], capture_output=True, text=True, check=True)
    served = subprocess.run([bunbase, "dev"], capture_output=True, text=True, cwd=tmp_path, check=False)

    assert "Begin with: bunbase dev" in helped.stdout
    assert (served.returncode, "pip install 'bunbase[server]'" in served.stderr) == (2, True)
    for name in ("litestar", "uvloop", "asyncpg", "apsw"):
        assert not list((tmp_path / "venv").glob(f"lib/*/site-packages/{name}"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_dependency_has_a_wheel_for_other_systems(wheel: Path, tmp_path: Path, system: str) -> None:
    command: list[str | Path] = [UV, "pip", "install", "-q", "--only-binary", ":all:", "--python-platform", system]
    subprocess.run([*command, "--target", tmp_path, wheel], check=True)
    assert (tmp_path / "bunbase/cli/main.py").is_file()


def test_the_command_uses_nothing_that_python_on_windows_lacks() -> None:
    mypy = Path(sys.executable).with_name("mypy")
    files = ["src/bunbase/cli", "src/bunbase/pkg/secret_files.py", "src/bunbase/pkg/bun.py"]
    ran = subprocess.run([mypy, "--platform", "win32", *files], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stdout
