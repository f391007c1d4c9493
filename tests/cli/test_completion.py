from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Bunbase

# The shell calls the function in this way when somebody presses Tab.
TAB = """
source {script}
COMP_WORDS=(bunbase {words} ""); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
COMPREPLY=(); _bunbase
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def script(bunbase: Bunbase, home: Path) -> Path:
    said = bunbase("completion", "bash")
    (home / "bunbase.bash").write_text(said.out)
    return home / "bunbase.bash"


@pytest.mark.parametrize(("words", "offered"), [("indexes", {"list", "create", "drop"}), ("data", {"query", "shell"})])
def test_a_shell_completes_subcommands(script: Path, words: str, offered: set[str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", TAB.format(script=script, words=words)], capture_output=True, text=True, check=True
    )

    assert offered <= set(done.stdout.split())


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_too(bunbase: Bunbase, shell: str) -> None:
    said = bunbase("completion", shell)

    assert (said.code, "indexes" in said.out, said.err) == (0, True, "")
    assert bunbase("completion", "tcsh").code == 2
