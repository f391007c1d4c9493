"""Suggest a subcommand to a user who typed another word for it, such as `env remove` for `env unset`."""

from __future__ import annotations

from typing import Final

from cyclopts import App, CycloptsError, UnknownCommandError

# words that mean the same; each noun has at most one or two words of each row as subcommands
ALIKE: Final = (
    frozenset({"delete", "unset", "revoke", "remove", "rm", "del", "destroy", "drop"}),
    frozenset({"list", "ls", "all", "index"}),
    frozenset({"show", "get", "info", "describe", "inspect", "view"}),
    frozenset({"create", "new", "add", "set", "make", "put"}),
    frozenset({"replay", "retry", "rerun", "run"}),
    frozenset({"rollback", "revert", "undo"}),
    frozenset({"use", "choose", "select", "switch"}),
    frozenset({"push", "apply", "save", "upload"}),
    frozenset({"login", "signin", "sign-in", "log-in"}),
    frozenset({"logout", "signout", "sign-out", "log-out"}),
    frozenset({"register", "signup", "sign-up"}),
    frozenset({"invoke", "call", "run"}),
    frozenset({"dev", "start", "up"}),
)


def message_of(error: CycloptsError) -> str:
    """Return the message of a usage error. For an unknown subcommand, it suggests subcommands with the same meaning."""
    if isinstance(error, UnknownCommandError) and error.app is not None:
        for name in error.app:
            if isinstance(command := error.app[name], App):
                command.synonym = tuple(sorted(_alike(name)))
    return str(error).strip()


def _alike(name: str) -> frozenset[str]:
    return frozenset(word for row in ALIKE if name in row for word in row) - {name}
