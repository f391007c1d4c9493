"""The failures of commands. Each failure has an exit code, and a JSON document that `--json` prints.

Failure             1   the command could not do its work
├── Refused         1   the server refused the request
├── Usage           2   the command line is wrong, or something that it needs is missing
├── NotSignedIn     3   nobody is signed in
├── Unreachable     4   the server did not answer
└── Stale           5   a generated file is out of date; `diff` ends with it too, if something differs
Ctrl-C            130   the user stopped the command
SIGTERM           143   a container runtime stopped the command
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

OK: Final = 0
INTERRUPTED: Final = 130
SIGNALLED: Final = 143

# texts of problems recommend routes; each value is the same text with a command instead of the route
COMMANDS: Final = {
    r"GET …/backups lists its backups": "`bunbase backup list` lists its backups",
    r": create it with PUT /v1/collections/(\S+?)\.$": r". To create it: `bunbase collections create \1`.",
    r"list them with GET /v1/auth/users": "name the user by email address",
    r"restore it with `unauthenticated`: true \((bunbase .+?)\)": r"restore it with `\1`",
    r"; `put` replaces it, and `patch` changes it": "",
    r"`setup_token`": "`--setup-token`",
    r"send the rest of the lines with from_line": "import the rest with --from-line",
    r"GET /api/orgs lists": "`bunbase orgs list` lists",
    r": POST /api/orgs\.": ": bunbase orgs create",
    r"GET …/members lists": "`bunbase members list` lists",
    r"in the project: POST …/members\.": "in the project: bunbase members add",
    r'Send \{"confirm": "(\S+?)"\}': r"Pass --confirm \1",
    r"POST /api/projects/(\S+)/restore\.": r"bunbase projects restore \1",
    r"begin again with POST /api/auth/totp\.": "begin again: bunbase account second-factor on",
    r"first: POST /api/auth/totp\.": "first: bunbase account second-factor on",
    r"Prove that this account is yours: POST /api/auth/reauthenticate, and then repeat this request": (
        "Sign in again (`bunbase login`), and then repeat the command"
    ),
    r"Send this challenge with a code to POST /api/auth/login/second-factor": "Pass a code: bunbase login --code",
    r"delete them with \"now\": true\.": "delete them: bunbase projects delete <slug> --now",
    r"Delete one first, with \"now\": true:": "Delete one first, with `bunbase projects delete <slug> --now`:",
    r"This is a personal access token: (.+?): sign in\.": (
        r"This is a personal access token: \1. Sign in with `bunbase login`, and unset BUNBASE_TOKEN if it is set."
    ),
}

# for these problems, the command shows only the detail, because the title is about HTTP requests or repeats the detail
DETAIL_SAYS_ALL: Final = frozenset(
    {
        "invalid_input",
        "malformed_request",
        "payload_too_large",
        "not_found",
        "function_error",
        "invalid_query",
        "wrong_code",
        "document_not_found",
        "collection_not_found",
    }
)

# in some problems, these members list the slugs of the projects or organisations that prevent the action
NAMED: Final = ("projects", "organisations")


class Failure(Exception):
    """A command cannot continue. `detail` tells the user the reason, or the next step."""

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

    `asked`: for a "not found" answer, the `server` and the `project`, and the file that named the project.
    """

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("code", "")), said(problem))
        self.problem = problem
        self.request_id = str(problem.get("request_id", ""))
        self.asked: dict[str, str] = {}

    def document(self) -> dict[str, Any]:
        return self.problem | ({"asked": self.asked} if self.asked else {})


def said(problem: dict[str, Any]) -> str:
    """Return the text of a problem for a person: first the title (the fault), then the detail (the next step)."""
    title, detail = str(problem.get("title", "")), in_commands(str(problem.get("detail", "")))
    named = [f" The {what}: {', '.join(map(str, problem[what]))}." for what in NAMED if problem.get(what)]
    if not title or problem.get("code") in DETAIL_SAYS_ALL or _same_start(title, detail):
        title = ""
    return ". ".join(part for part in (title, detail) if part) + "".join(named)


def in_commands(detail: str) -> str:
    """Return the detail of a problem. Replace the routes that it recommends with commands."""
    for route, command in COMMANDS.items():
        detail = re.sub(route, command, detail)
    return detail


def _same_start(title: str, detail: str) -> bool:
    """True if the detail begins like the title, as in "This proof is wrong. After 9 more wrong proofs, …"."""
    return detail.lower().startswith(title.lower())


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


class Stale(Failure):
    exit_code = 5

    def __init__(self, detail: str) -> None:
        super().__init__("stale", detail)
