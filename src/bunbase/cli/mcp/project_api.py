"""The HTTP API of the one project that the tools reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from bunbase.cli.errors import Usage
from bunbase.cli.http import Call, at, at_v1, decode
from bunbase.cli.session import Session

T = TypeVar("T")

SECONDS: Final = 60.0
NO_PARAMS: Final[Mapping[str, Any]] = {}


class ProjectApi:
    """The API of one project. `project`: its id or slug, which is chosen at the start and never changes."""

    def __init__(self, session: Session, project: str) -> None:
        self.session = session
        self.project = project

    def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] = NO_PARAMS,
        headers: Mapping[str, str] = NO_PARAMS,
    ) -> T:
        """Return the answer of the server. Raises: Failure, also if JSON cannot express the body."""
        sent = {"x-bunbase-project": self.project, **headers}
        call = Call(method, path, params=params, headers=sent, json=body, seconds=SECONDS)
        try:
            reply = self.session.send(call)
        # JSON cannot express some values, for example NaN, a text with a lone surrogate, or a thousand levels of
        # nesting
        except (ValueError, RecursionError) as error:
            raise Usage(f"The arguments cannot be sent as JSON: {error}.", "invalid_arguments") from None
        return decode(reply, kind)

    def path(self, *segments: str) -> str:
        """Return a path below /api/projects/{project}."""
        return at("projects", self.project, *segments)


def data_path(*segments: str) -> str:
    """Return a path below /v1; every segment is percent-encoded."""
    return at_v1(*segments)
