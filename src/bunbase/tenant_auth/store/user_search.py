"""The SQL of a search for users. Each condition has an index, so that a page is fast even among a million users."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from bunbase.contracts.tenant_auth.users import UserFilter, UserOrder

LAST: Final = "\U0010ffff"  # This character sorts after every character of an address.
PASSWORD: Final = "password"  # This name of a provider means users with a password.

BANNED: Final = "banned_at IS NOT NULL AND (banned_until IS NULL OR banned_until > {})"
NOT_BANNED: Final = "(banned_at IS NULL OR banned_until <= {})"
OF_PROVIDER: Final = """id IN (
    SELECT user_id FROM identities WHERE identities.project = $1 AND provider = {})"""
BEGINS: Final = """(
    (email ~>=~ {0} AND email ~<~ {1}) OR (name <> '' AND lower(name) ~>=~ {0} AND lower(name) ~<~ {1}))"""
ORDERS: Final = {
    UserOrder.NEWEST: ("id < {}", "ORDER BY id DESC"),
    UserOrder.OLDEST: ("id > {}", "ORDER BY id"),
    UserOrder.EMAIL: ("email > {}", "ORDER BY email"),
}


def search(only: UserFilter, after: str, limit: int, now: datetime) -> tuple[str, list[Any]]:
    """Return the rest of a SELECT after `WHERE project = $1`, and its other arguments.

    The SQL has only the conditions that are set, so that PostgreSQL can use the index of a condition. `after`: the id
    of the last user of the previous page (or the address, if the users are ordered by address); empty for the first
    page.
    """
    conditions: list[str] = []
    args: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        first = len(args) + 2  # $1 is the project.
        conditions.append(condition.format(*(f"${first + at}" for at in range(len(values)))))
        args.extend(values)

    begins_after, order = ORDERS[only.order]
    if after:
        add(begins_after, after)
    if only.order is UserOrder.EMAIL:
        add("email IS NOT NULL")
    for column in ("email", "phone", "role"):
        if (value := getattr(only, column)) is not None:
            add(column + " = {}", value)
    if only.q:
        add(BEGINS, only.q, only.q + LAST)
    if only.provider == PASSWORD:
        add("password_hash IS NOT NULL")
    elif only.provider is not None:
        add(OF_PROVIDER, only.provider)
    if only.created_since is not None:
        add("created_at >= {}", only.created_since)
    if only.anonymous is not None:
        add("anonymous" if only.anonymous else "NOT anonymous")
    if only.banned is not None:
        add(BANNED if only.banned else NOT_BANNED, now)
    narrowed = "".join(f" AND {condition}" for condition in conditions)
    return f"{narrowed} {order} LIMIT ${len(args) + 2}", [*args, limit]
