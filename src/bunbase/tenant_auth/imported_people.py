"""The user that a line of an import makes, or what it changes in a known user."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.tenant_auth.transfers import LineIdentity, UserLine
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.passwords import is_foreign
from bunbase.tenant_auth.people import Change, Person, changed, signed_out

OF_USER = ("email", "email_verified", "phone", "phone_verified", "name", "role", "claims", "data", "anonymous")


def new_person(id: str, line: UserLine, now: datetime) -> Person:
    blank = Person(User(id, None, False, "user", {}, {}, line.created_at or now))
    after = _with_fields(blank, line, now)
    return msgspec.structs.replace(
        after,
        password_hash=_given(line.password_hash),
        password_changed_at=line.password_changed_at or None,
        last_sign_in_at=line.last_sign_in_at or None,
    )


def with_line(before: Person, line: UserLine, now: datetime) -> Change:
    """Return a known user with the fields of a line. A ban and another password end the sessions.

    An address that was confirmed here stays confirmed. `created_at` and `last_sign_in_at` stay as they are.
    """
    after = _with_fields(before, line, now)
    if before.user.email_verified and after.email == before.email:
        after = msgspec.structs.replace(after, user=msgspec.structs.replace(after.user, email_verified=True))
    if after.email != before.email and line.email_verified is UNSET:  # what was confirmed was the other address
        after = msgspec.structs.replace(after, user=msgspec.structs.replace(after.user, email_verified=False))
    if after.user.phone != before.user.phone and line.phone_verified is UNSET:
        after = msgspec.structs.replace(after, user=msgspec.structs.replace(after.user, phone_verified=False))
    hash = _given(line.password_hash)
    newer = hash is not None and _is_newer(before, line)
    if newer:
        after = msgspec.structs.replace(
            after, password_hash=hash, password_changed_at=line.password_changed_at or before.password_changed_at
        )
    ends = newer or (after.is_banned(now) and not before.is_banned(now))
    return signed_out(after) if ends else changed(before, after)


def same(before: Person, after: Person) -> bool:
    """True if nothing was changed. The users are compared as JSON: 1, 1.0 and True are equal in Python."""
    return msgspec.json.encode(before) == msgspec.json.encode(after)


def line_of(person: Person, identities: tuple[LineIdentity, ...], hashes: bool, now: datetime) -> UserLine:
    """Return the line of an export."""
    user, banned = person.user, person.is_banned(now)
    return UserLine(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        phone=user.phone,
        phone_verified=user.phone_verified,
        name=user.name,
        password_hash=person.password_hash if hashes else UNSET,
        role=user.role,
        claims=user.claims,
        data=user.data,
        anonymous=user.anonymous,
        banned=banned,
        banned_until=person.banned_until if banned else None,
        created_at=user.created_at,
        last_sign_in_at=person.last_sign_in_at,
        password_changed_at=person.password_changed_at,
        identities=identities,
    )


def _with_fields(before: Person, line: UserLine, now: datetime) -> Person:
    given = {name: value for name in OF_USER if (value := getattr(line, name)) is not UNSET}
    user = msgspec.structs.replace(before.user, **given)
    if user.email or user.phone or before.password_hash or line.password_hash:
        user = msgspec.structs.replace(user, anonymous=False)  # such a user can sign in again
    after = msgspec.structs.replace(before, user=user)
    until = before.banned_until if line.banned_until is UNSET else line.banned_until
    was_banned = before.is_banned(now)
    banned = was_banned if line.banned is UNSET else line.banned
    if line.banned_until:  # some systems write only the end of a ban
        banned = line.banned_until > now
    return msgspec.structs.replace(
        after,
        banned_at=(before.banned_at if was_banned else now) if banned else None,
        banned_until=until if banned else None,
    )


def _is_newer(before: Person, line: UserLine) -> bool:
    """True if the line has another password than the user, and the user has not used or set one here since.

    A first sign-in replaces an imported hash by one of ours. Without this rule, the same file again would bring the old
    hash back, and sign everybody out.
    """
    hash = before.password_hash
    if hash == line.password_hash:
        return False
    if hash is None or is_foreign(hash):
        return True
    since = before.password_changed_at or before.user.created_at
    return bool(line.password_changed_at and line.password_changed_at > since)


def _given(hash: object) -> str | None:
    assert hash is None or isinstance(hash, str | UnsetType), "import_lines makes texts of all hashes"
    return hash if isinstance(hash, str) else None
