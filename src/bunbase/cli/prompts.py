"""Questions to the person at the terminal; asked on stderr, so that stdout holds results only."""

from __future__ import annotations

import getpass
import sys

from bunbase.cli.errors import Usage


def ask(question: str, otherwise: str) -> str:
    """Give a line of text. Raises: Usage with `otherwise`, how to say it without a terminal."""
    _need_terminal(otherwise)
    sys.stderr.write(f"{question}: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt
    return answer.strip()


def confirm(yes: bool) -> None:
    """Go on only if it is meant: `yes`, the flag, or typed. Raises: Usage."""
    if not yes and ask("Type yes to go on", "Say that it is meant: --yes") != "yes":
        raise Usage("Nothing was changed.", "not_confirmed")


def ask_secret(question: str, otherwise: str) -> str:
    """Give a line that is not shown while it is typed. Raises: Usage."""
    _need_terminal(otherwise)
    try:
        return getpass.getpass(f"{question}: ", stream=sys.stderr)
    except EOFError:
        raise KeyboardInterrupt from None


def secret_from_input() -> str:
    """Give all of stdin without the newline that `echo` and editors put at its end."""
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _need_terminal(otherwise: str) -> None:
    if not sys.stdin.isatty():
        raise Usage(otherwise)
