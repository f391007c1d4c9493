"""The command on systems that cannot run here: Windows and macOS.

`make command` also builds the wheel, installs it alone, and looks for wheels of its dependencies for these systems.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bunbase.cli.credentials import credentials_file
from tests.cli.conftest import kept

# Python on Windows lacks these modules and members of `os`.
WITHOUT_POSIX = """
import os, sys
for name in ("fcntl", "grp", "pwd", "pty", "resource", "termios"):
    sys.modules[name] = None
for name in ("O_DIRECTORY", "O_CLOEXEC", "fchmod", "getuid", "geteuid", "fork"):
    delattr(os, name)
import pkgutil, importlib
import bunbase.cli
for module in pkgutil.walk_packages(bunbase.cli.__path__, "bunbase.cli."):
    if not module.name.endswith(("__main__", ".mcp.server")):  # the library mcp asks sys.platform, which is Linux here
        importlib.import_module(module.name)
"""
SERVER_ALONE = ("apsw", "asyncpg", "litestar", "uvicorn", "uvloop", "cryptography", "joserfc", "jsonschema_rs")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_every_command_is_imported_without_the_modules_that_windows_lacks() -> None:
    done = run_python(WITHOUT_POSIX)

    assert done.returncode == 0, done.stderr


def test_commands_need_no_package_of_the_server_and_those_that_do_say_which_to_install() -> None:
    without = "".join(f"sys.modules[{name!r}] = None\n" for name in SERVER_ALONE)
    done = run_python(f"import sys\n{without}from bunbase.cli.main import run\nprint(run(['version']), run(['dev']))")

    assert done.stdout.split() == ["bunbase", "0.1.0", "0", "2"]
    assert "pip install 'bunbase[server]'" in done.stderr


def test_credentials_are_replaced_where_directories_cannot_be_opened(home: Path) -> None:
    with credentials_file().changing() as credentials:
        credentials.current = "http://one"
    done = run_python(
        "import filelock, os, sys\nsys.platform = 'win32'\ndel os.O_DIRECTORY, os.fchmod\n"
        "from bunbase.cli.credentials import credentials_file\n"
        "with credentials_file().changing() as credentials:\n    credentials.current += '/two'\n"
    )

    assert done.returncode == 0, done.stderr
    assert kept().current == "http://one/two"
