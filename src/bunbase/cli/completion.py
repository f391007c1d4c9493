"""`bunbase completion`: scripts that complete commands and flags in a shell."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from bunbase.cli.main import command
from bunbase.cli.output import Output

HOW = {
    "bash": "To use it in new shells: bunbase completion bash > ~/.local/share/bash-completion/completions/bunbase",
    "zsh": "To use it in new shells, write it to a file named _bunbase in a folder of $fpath.",
    "fish": "To use it in new shells: bunbase completion fish > ~/.config/fish/completions/bunbase.fish",
}


def completion(shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell.")], /) -> None:
    """Print a script that completes commands and flags.

    Example: bunbase completion bash
    """
    sys.stdout.write(command().generate_completion(shell=shell))
    if sys.stdout.isatty():
        Output(json=False).hint(HOW[shell])
