"""Ask the user questions at the terminal. Questions go to stderr, because stdout contains only results."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.errors import Usage
from bunbase.cli.output import without_spinners

CI: Final = "CI"  # CI services set this variable
NO: Final = ("", "0", "false")

Yes = Annotated[bool, Parameter(negative="", show_default=False, help="Do not ask for a confirmation.")]


def ask(question: str, otherwise: str) -> str:
    """Return the typed line. Raises: Usage with the text `otherwise` if there is no terminal."""
    _need_terminal(otherwise)
    with without_spinners():
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt
    return answer.strip()


def confirm(yes: bool) -> None:
    """Ask for a confirmation, unless the flag `yes` is set. Raises: Usage if the user does not type "yes"."""
    if not yes and ask("Type yes to go on", "To confirm without a terminal: --yes") != "yes":
        raise Usage("Nothing was changed.", "not_confirmed")


def confirmed(name: str, given: str, yes: bool | None = None) -> str:
    """Return the name that confirms a deletion: `given`, or `name` if the flag `yes` is set, or else the user's input.

    `yes`: None if the command has no such flag. Raises: Usage.
    """
    if given or yes:
        return given or name
    flag = "" if yes is None else "--yes, or "
    return ask(f"Type {name} to go on", f"To confirm without a terminal: {flag}--confirm {name}")


def ask_secret(question: str, otherwise: str) -> str:
    """Return a line that the terminal does not show.

    Raises: Usage with the text `otherwise` if there is no terminal.
    """
    _need_terminal(otherwise)
    try:
        with without_spinners():
            return getpass.getpass(f"{question}: ", stream=sys.stderr)
    except EOFError:
        raise KeyboardInterrupt from None


def secret_from_input() -> str:
    """Return all of stdin, without the newline that `echo` and editors add at the end.

    The text is UTF-8 like files, and not in the encoding of the terminal. Raises: Usage.
    """
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage("The text on stdin is not valid UTF-8.") from None
    return text.removesuffix("\n").removesuffix("\r")


def is_attended() -> bool:
    """True if a person can answer questions at the terminal.

    A CI job may have a terminal, but nobody can answer there.
    """
    return sys.stdin.isatty() and os.environ.get(CI, "").lower() in NO


def _need_terminal(otherwise: str) -> None:
    if not is_attended():
        raise Usage(otherwise)
