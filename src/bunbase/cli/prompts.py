"""Ask the user questions at the terminal. Questions go to stderr, since stdout holds only results."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.errors import Usage
from bunbase.cli.output import without_spinners

CI: Final = "CI"  # set by the services that run jobs
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
    """Return if the flag `yes` is set or the user types "yes". Raises: Usage."""
    if not yes and ask("Type yes to go on", "To confirm without a terminal: --yes") != "yes":
        raise Usage("Nothing was changed.", "not_confirmed")


def confirmed(name: str, given: str, yes: bool | None = None) -> str:
    """Return the name that confirms a deletion: `given`, or the right one with the flag `yes`, or what the user types.

    `yes`: None if the command has no such flag. Raises: Usage.
    """
    if given or yes:
        return given or name
    flag = "" if yes is None else "--yes, or "
    return ask(f"Type {name} to go on", f"To confirm without a terminal: {flag}--confirm {name}")


def ask_secret(question: str, otherwise: str) -> str:
    """Return a line that the terminal does not show. Raises: Usage with `otherwise` if there is no terminal."""
    _need_terminal(otherwise)
    try:
        with without_spinners():
            return getpass.getpass(f"{question}: ", stream=sys.stderr)
    except EOFError:
        raise KeyboardInterrupt from None


def secret_from_input() -> str:
    """Return all of stdin, without the newline that `echo` and editors add at the end.

    The text is UTF-8, as files and other programs write it, whatever the encoding of the terminal. Raises: Usage.
    """
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage("The text on stdin is not valid UTF-8.") from None
    return text.removesuffix("\n").removesuffix("\r")


def is_attended() -> bool:
    """True if a person is at the terminal. A CI job may have a terminal, although nobody can answer there."""
    return sys.stdin.isatty() and os.environ.get(CI, "").lower() in NO


def _need_terminal(otherwise: str) -> None:
    if not is_attended():
        raise Usage(otherwise)
