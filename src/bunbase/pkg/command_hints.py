"""Commands of `bunbase` in texts for people: on pages and in mails."""

from __future__ import annotations

from typing import Final

# The command uses one of these URLs if it gets no URL.
DEFAULT_SERVERS: Final = ("http://127.0.0.1:7070", "http://localhost:7070")


def command_for(public_url: str, command: str) -> str:
    """Return a command with the URL of this server, unless the command uses this server by default."""
    server = public_url.rstrip("/")
    return command if server in DEFAULT_SERVERS else f"{command} --url {server}"
