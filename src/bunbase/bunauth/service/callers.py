"""The kinds of callers that some actions need."""

from __future__ import annotations

from bunbase.contracts.caller import Caller, Developer
from bunbase.pkg.errors import Forbidden


def with_session(caller: Caller, why_not: str) -> Developer:
    """Return the developer if a session has signed the request, and not a personal access token.

    `why_not`: the reason why a token is refused, for the error message. Raises: Forbidden, Unauthenticated.
    """
    developer = caller.signed_in()
    if not developer.session:
        raise Forbidden(f"This is a personal access token: {why_not}.")
    return developer
