"""The rules that several parts share: names, roles, and the time for which caches may keep revoked keys and roles."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.caller import RANK, Role
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Forbidden, InvalidInput

MAX_NAME_LENGTH: Final = 100
SLUG_ATTEMPTS: Final = 5
SUSPENDED: Final = "Its members may read and export it. Ask an administrator of this installation to resume it."
REMEMBER_SECONDS: Final = 3600  # no cache keeps a key or a membership for longer than this


def checked_name(name: str, what: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidInput.at("/name", f"{what} must have 1 to {MAX_NAME_LENGTH} printable characters.")
    return name


def need_role(mine: Role | None, role: Role) -> Role:
    """Return the caller's role if it is `role` or a stronger role. Raises: Forbidden."""
    if mine is None or RANK[mine] < RANK[role]:
        raise Forbidden(f"This needs the role {role.value}; ask an owner for this role.")
    return mine


def check_strength(mine: Role, *roles: Role) -> None:
    """Raise Forbidden if one of the roles is stronger than the caller's own role."""
    for role in roles:
        if RANK[role] > RANK[mine]:
            raise Forbidden(f"Your role is {mine.value}: you cannot give, change or remove the role {role.value}.")


def forget_at(clock: Clock) -> float:
    """Return the time until which caches may keep a key or role that is revoked now (Unix seconds)."""
    return clock.now().timestamp() + REMEMBER_SECONDS
