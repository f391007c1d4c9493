"""Personal access tokens: their scopes and their claims."""

from __future__ import annotations

from typing import Any, Final

from bunbase.bunauth.store.personal_tokens import TokenHolder
from bunbase.contracts import scopes as vocabulary
from bunbase.pkg.errors import InvalidInput

PREFIX: Final = "bpt"
TYPE: Final = "personal"
MAX_TOKENS: Final = 100
REMEMBER_SECONDS: Final = 3600  # Revocations are stored for this long. No process caches personal tokens for so long.
MAX_PROJECTS: Final = 50


def checked_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes without duplicates, in a fixed order. Raises: InvalidInput for unknown scopes.

    The scopes are not compared with the rights of the owner, because every room also checks the owner's role whenever
    the token is used.
    """
    return vocabulary.checked_scopes(scopes, of_projects=True)


def checked_projects(projects: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids without duplicates. Raises: InvalidInput.

    A project that does not exist is accepted, because BunBase checks the membership of the owner whenever the token is
    used.
    """
    found = tuple(sorted(set(projects)))
    if len(found) > MAX_PROJECTS or not all(vocabulary.PROJECT_ID.fullmatch(project) for project in found):
        raise InvalidInput.at("/projects", f"Name at most {MAX_PROJECTS} projects by their ids (prj_…), not by slugs.")
    return found


def personal_claims(holder: TokenHolder, issuer: str) -> dict[str, Any]:
    """Return the claims of a personal access token; they have the same names as the claims of an access token."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": holder.user_id,
        "iat": int(holder.created_at.timestamp()),
        "jti": holder.id,
        "type": TYPE,
        "role": holder.role,
        "email": holder.email,
        "scopes": list(holder.scopes),
    }
    if holder.projects:
        claims["projects"] = list(holder.projects)
    if holder.expires_at is not None:
        claims["exp"] = int(holder.expires_at.timestamp())
    return claims
