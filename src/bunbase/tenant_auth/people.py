"""Users as they are kept, and what a change of one does to the tokens that speak of them."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET

from bunbase.contracts.tenant_auth import ManagedUser, User, UserChanges


class Person(msgspec.Struct, frozen=True):
    """A user with what is told to nobody. `version`: of what access tokens say; they count only while it is theirs."""

    user: User
    password_hash: str | None = None
    banned_at: datetime | None = None
    version: int = 0

    def shown(self) -> ManagedUser:
        """Give what administration sees."""
        known = {field: getattr(self.user, field) for field in self.user.__struct_fields__}
        return ManagedUser(**known, banned=self.banned_at is not None, has_password=self.password_hash is not None)


class Change(msgspec.Struct, frozen=True):
    """A user as it becomes, and whether its sessions end; a new version ends the access tokens alone."""

    person: Person
    ends_sessions: bool = False


def changed(person: Person, changes: UserChanges, password_hash: str | None, now: datetime) -> Change:
    """`changes` are checked, with the email in its normal form; `password_hash` is that of a new password."""
    named = {field: value for field, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    banned = named.pop("banned", person.banned_at is not None)
    named.pop("password", None)
    after = msgspec.structs.replace(
        person,
        user=msgspec.structs.replace(person.user, **named),
        password_hash=password_hash or person.password_hash,
        banned_at=(person.banned_at or now) if banned else None,
    )
    ends = password_hash is not None or (banned and person.banned_at is None)
    return signed_out(after) if ends else Change(_renewed(after) if _told(after) != _told(person) else after)


def signed_out(person: Person) -> Change:
    return Change(_renewed(person), ends_sessions=True)


def _renewed(person: Person) -> Person:
    return msgspec.structs.replace(person, version=person.version + 1)


def _told(person: Person) -> tuple[object, ...]:
    """Give what access tokens say of a user. As JSON, because 1, 1.0 and True are one to Python and three to rules."""
    return person.user.email, person.user.role, msgspec.json.encode(person.user.claims)
