"""The users of a project, as its signed-in developer sees them."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure
from bunbase.cli.http import Call
from bunbase.cli.session import Session
from bunbase.contracts.tenant_auth.users import ManagedUser, ManagedUsers

USERS: Final = "/v1/auth/users"

Named = Annotated[str, Parameter(help="The user's id, email address or phone number.")]


class ProjectUsers:
    """The users of the chosen project, as its signed-in developer sees them."""

    def __init__(self, session: Session, project: str) -> None:
        self.session = session
        self.headers = {"x-bunbase-project": needed_project(project, session)}

    def ask(self, kind: type[Any], method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.session.ask(kind, Call(method, path, headers=self.headers, json=body))

    def one(self, named: str) -> ManagedUser:
        """Return one user. Raises: Failure if no user has this address or number; Refused."""
        if _is_id(named):
            found: ManagedUser = self.ask(ManagedUser, "GET", f"{USERS}/{quote(named, safe='')}")
            return found
        asked = Call("GET", USERS, params={"email" if "@" in named else "phone": named}, headers=self.headers)
        users = self.session.ask(ManagedUsers, asked).items
        if not users:
            raise Failure("user_not_found", f"The project has no user {named} at {self.session.url}.")
        return users[0]

    def path(self, named: str) -> str:
        return f"{USERS}/{quote(named if _is_id(named) else self.one(named).id, safe='')}"

    def some(self, asked: dict[str, Any], limit: int) -> list[ManagedUser]:
        """Return the newest users that match, at most `limit`."""
        users: list[ManagedUser] = []
        params = dict(asked)
        while len(users) < limit:
            params["limit"] = min(limit - len(users), 100)
            page = self.session.ask(ManagedUsers, Call("GET", USERS, params=params, headers=self.headers))
            users += page.items
            if page.next is None:
                break
            params["cursor"] = page.next
        return users


def _is_id(named: str) -> bool:
    """True for an id, but not for an email address, or for a phone number, which begins with +."""
    return "@" not in named and not named.startswith("+")
