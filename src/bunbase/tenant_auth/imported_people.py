"""The user that a line of an import creates, or the change that the line makes to a known user."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.tenant_auth.transfers import LineIdentity, UserLine
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.passwords import is_foreign
from bunbase.tenant_auth.people import Change, Person, changed, signed_out, verified_if_said

VERSIONS: Final = 1 << 30  # This is half of the numbers that fit into the column. The other half is for later changes.
OF_USER = (
    *("email", "email_verified", "phone", "phone_verified", "name", "language"),
    *("role", "claims", "data", "anonymous"),
)


def new_person(id: str, line: UserLine, now: datetime) -> Person:
    """Return a new user.

    A user with this id may have been deleted a moment ago. In this case, the token versions of the deleted user are
    revoked until the tokens have expired. The versions of the new user begin at a random number, so that they differ
    from the revoked versions. Continuing after the revoked versions would need a lock against the deletion.
    """
    blank = Person(User(id, None, False, "user", {}, {}, line.created_at or now), version=secrets.randbelow(VERSIONS))
    after = msgspec.structs.replace(
        _with_fields(blank, line, now),
        password_hash=_given(line.password_hash),
        password_changed_at=line.password_changed_at or None,
        last_sign_in_at=line.last_sign_in_at or None,
    )
    return _settled(after, line, anonymous=line.anonymous is True)


def with_line(before: Person, line: UserLine, now: datetime, ends_sessions: bool = False) -> Change:
    """Return a known user with the fields of a line. A new ban or a different password ends the sessions.

    An address or a number that was confirmed here stays confirmed. A new address or number is confirmed only if the
    line says so. `created_at` and `last_sign_in_at` stay the same. `ends_sessions`: any other change also ends the
    sessions.
    """
    after = _still_verified(before.user, _with_fields(before, line, now))
    hash = _given(line.password_hash)
    newer = hash is not None and _is_newer(before, line)
    if newer:
        after = msgspec.structs.replace(
            after, password_hash=hash, password_changed_at=line.password_changed_at or before.password_changed_at
        )
    after = _settled(after, line, anonymous=before.user.anonymous)
    ends = ends_sessions or newer or (after.is_banned(now) and not before.is_banned(now))
    return signed_out(after) if ends else changed(before, after)


def with_ban_of(before: Person, line: UserLine, now: datetime) -> UserLine:
    """Return the line of a backup.

    If the user is banned now, remove the line's ban, because a restore must not end a ban.
    """
    if not before.is_banned(now):
        return line
    return msgspec.structs.replace(line, banned=UNSET, banned_until=UNSET)


def same(before: Person, after: Person) -> bool:
    """True if nothing was changed. The users are compared as JSON, because Python treats 1, 1.0 and True as equal."""
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
        language=user.language,
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
    user = verified_if_said(before.user, msgspec.structs.replace(before.user, **given), given)
    after = msgspec.structs.replace(before, user=user)
    was_banned = before.is_banned(now)
    banned, until = _ban_of(line, was_banned, before.banned_until, now)
    return msgspec.structs.replace(
        after,
        banned_at=(before.banned_at if was_banned else now) if banned else None,
        banned_until=until if banned else None,
    )


def _still_verified(before: User, after: Person) -> Person:
    user = after.user
    verified = {
        "email_verified": user.email_verified or (before.email_verified and user.email == before.email),
        "phone_verified": user.phone_verified or (before.phone_verified and user.phone == before.phone),
    }
    return msgspec.structs.replace(after, user=msgspec.structs.replace(user, **verified))


def _ban_of(line: UserLine, was_banned: bool, until: datetime | None, now: datetime) -> tuple[bool, datetime | None]:
    """Return whether the user is banned, and the end of the ban. Some systems write only the end of a ban.

    If the end is in the past, only the ban in the other system is over. A ban that was made here continues.
    """
    if line.banned_until and line.banned_until > now:
        return True, line.banned_until
    if line.banned_until and line.banned is not False:
        return was_banned, until
    banned = was_banned if line.banned is UNSET else line.banned
    return banned, until if line.banned_until is UNSET else None


def _settled(after: Person, line: UserLine, anonymous: bool) -> Person:
    """Return the user with the flags that follow from the other fields.

    A user who can sign in again is not anonymous, even if the line says so. A missing address or number is not
    verified.
    """
    user = after.user
    named = user.email or user.phone or after.password_hash or line.identities
    return msgspec.structs.replace(
        after,
        user=msgspec.structs.replace(
            user,
            anonymous=anonymous and not named,
            email_verified=user.email_verified and user.email is not None,
            phone_verified=user.phone_verified and user.phone is not None,
        ),
    )


def _is_newer(before: Person, line: UserLine) -> bool:
    """True if the line has a newer password than the user.

    If the user has used an imported password here, or has set a password here, only a line with a later change is
    newer. The first sign-in replaces an imported hash with a hash of BunBase. Without this rule, a second import of the
    same file would restore the old hash, and end all sessions.
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
