"""Revocations: credentials that became invalid before their expiry.

Every process receives all revocations, so no request needs a look-up in the database.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class RevokedKind(StrEnum):
    SESSION = "session"
    TOKEN = "token"  # a personal access token
    KEY = "key"
    # the id is `<project>:<user>`, `<project>:` for all members of a project, or `:<user>` for all projects of a
    # developer
    MEMBERSHIP = "membership"
    PROJECT = "project"
    SIGNING_KEY = "signing_key"  # the id is the key's `kid`; all tokens that the key has signed end
    USER = "user"  # the id is `user_version(…)`; all access tokens of this version of the user end
    ACCOUNT = "account"  # the role of a developer has changed; personal tokens stay valid, with the new role
    SETTINGS = "settings"  # the id is a project whose settings for its users have changed
    READY = "ready"  # all earlier revocations have been sent; new revocations follow
    ALIVE = "alive"  # a heartbeat: the feed is still connected


class Revocation(msgspec.Struct, frozen=True):
    """`until`: the time at which the credential expires (Unix seconds); then the revocation can be forgotten.

    `at`: the time of the revocation (Unix seconds); 0 for a stored revocation, which a new follower gets first.
    """

    kind: RevokedKind
    id: str = ""
    until: float = 0.0
    at: float = 0.0


def user_version(project: str, user: str, version: int) -> str:
    """Return the id that names all access tokens of one version of an end user.

    A user's version increases when a change of the user makes the older access tokens invalid. The project is part of
    the id, because imported users of two projects may have the same id.
    """
    return f"{project}/{older_user_version(user, version)}"


def older_user_version(user: str, version: int) -> str:
    """Return the id that older releases used instead of `user_version`: it does not contain the project.

    Revocations of users who were deleted with such a release still have this id until they expire, because their
    project is not known.
    """
    return f"{user}:{version}"
