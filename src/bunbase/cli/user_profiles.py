"""The flags of `bunbase users create` and `update` for the profile of a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from bunbase.cli.errors import Usage


@dataclass(frozen=True)
class Profile:
    """The profile flags. `claims`, `data`: JSON objects, which replace the present objects of the user."""

    name: Annotated[str | None, Parameter(name="--name", show_default=False, help="The name of the person.")] = None
    phone: Annotated[
        str | None,
        Parameter(name="--phone", show_default=False, help='The phone number, such as +4917612345678; "" for none.'),
    ] = None
    claims: Annotated[
        str | None,
        Parameter(name="--claims", show_default=False, help="A JSON object, which rules and functions can read."),
    ] = None
    data: Annotated[
        str | None, Parameter(name="--data", show_default=False, help="A JSON object, which the user can change.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Return the members of the request body for the flags that are set. Raises: Usage."""
        named: dict[str, Any] = {} if self.name is None else {"name": self.name}
        if self.phone is not None:
            named["phone"] = self.phone or None
        for member, text in (("claims", self.claims), ("data", self.data)):
            if text is not None:
                named[member] = _object(member, text)
        return named


ProfileFlags = Annotated[Profile, Parameter(name="*")]
NO_PROFILE: Final = Profile()


def _object(member: str, text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise Usage(f'--{member} needs a JSON object, such as \'{{"team": "one"}}\'.') from None
