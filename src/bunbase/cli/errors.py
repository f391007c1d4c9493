"""The failures of commands. Each failure has an exit code, and a JSON document that `--json` prints.

Failure             1   the command could not do its work
├── Refused         1   the server refused the request
├── Usage           2   the command line is wrong, or something that it needs is missing
├── NotSignedIn     3   nobody is signed in
└── Unreachable     4   the server did not answer
Ctrl-C            130   the user stopped the command
SIGTERM           143   a container runtime stopped the command
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

OK: Final = 0
INTERRUPTED: Final = 130
SIGNALLED: Final = 143

# the advice of problems that a command may show: a pattern for the text about a route, and the same for a command
COMMANDS: Final = {
    r"GET …/backups lists its backups": "`bunbase backup list` lists its backups",
    r": create it with PUT /v1/collections/\S+?\.$": ". Its first document creates it, or `bunbase rules push`.",
    r"list them with GET /v1/auth/users": "name the user by email address",
    r"restore it with `unauthenticated`: true \((bunbase .+?)\)": r"restore it with `\1`",
    r"; PUT replaces a document, PATCH changes it": "",
    r"`setup_token`": "`--setup-token`",
    r"send the rest of the lines with from_line": "import the rest with --from-line",
}


class Failure(Exception):
    """A command cannot continue. `detail` tells the user why, or what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.request_id = ""

    def document(self) -> dict[str, Any]:
        """Return the document that `--json` prints on stderr."""
        return {"code": self.code, "detail": self.detail}


class Refused(Failure):
    """The server answered with a problem document (RFC 9457).

    `asked`: if something is unknown there, the `server` and the `project`, and the file that named the project.
    """

    def __init__(self, problem: dict[str, Any]) -> None:
        detail = str(problem.get("detail", problem.get("title", "")))
        super().__init__(str(problem.get("code", "")), in_commands(detail))
        self.problem = problem
        self.request_id = str(problem.get("request_id", ""))
        self.asked: dict[str, str] = {}

    def document(self) -> dict[str, Any]:
        return self.problem | ({"asked": self.asked} if self.asked else {})


def in_commands(detail: str) -> str:
    """Return the detail of a problem with commands in place of the routes that it advises."""
    for route, command in COMMANDS.items():
        detail = re.sub(route, command, detail)
    return detail


class Usage(Failure):
    exit_code = 2

    def __init__(self, detail: str, code: str = "usage") -> None:
        super().__init__(code, detail)


class NotSignedIn(Failure):
    exit_code = 3

    def __init__(self, detail: str, request_id: str = "") -> None:
        super().__init__("not_signed_in", detail)
        self.request_id = request_id

    def document(self) -> dict[str, Any]:
        named = {"request_id": self.request_id} if self.request_id else {}
        return super().document() | named


class Unreachable(Failure):
    exit_code = 4

    def __init__(self, detail: str) -> None:
        super().__init__("unreachable", detail)
