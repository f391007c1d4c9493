"""The stored form of users, and the effect of a user's change on the user's tokens."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

import msgspec
from msgspec import UNSET

from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.problems import SignUpFirst, UserBanned, UserNotFound
from bunbase.contracts.tenant_auth.users import ManagedUser, User, UserChanges
from bunbase.pkg.errors import Unauthenticated


class Person(msgspec.Struct, frozen=True):
    """A user with the fields that no answer shows.

    `version`: an access token contains the version that the user had when the token was signed. The token is valid
    only while the user still has this version. `banned_until`: None for a permanent ban. A ban that is over stays
    stored until the user changes, so use `is_banned`.
    """

    user: User
    password_hash: str | None = None
    banned_at: datetime | None = None
    version: int = 0
    banned_until: datetime | None = None
    last_sign_in_at: datetime | None = None
    password_changed_at: datetime | None = None

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def email(self) -> str | None:
        return self.user.email

    def is_banned(self, now: datetime) -> bool:
        return self.banned_at is not None and (self.banned_until is None or now < self.banned_until)

    def shown(self, now: datetime) -> ManagedUser:
        """Return the user with the fields that only the project's administrators see."""
        known = {field: getattr(self.user, field) for field in self.user.__struct_fields__}
        banned = self.is_banned(now)
        return ManagedUser(
            **known,
            banned=banned,
            has_password=self.password_hash is not None,
            banned_until=self.banned_until if banned else None,
            last_sign_in_at=self.last_sign_in_at,
        )


class Change(msgspec.Struct, frozen=True):
    """A user after a change. `ends_sessions`: the change ends all sessions. A new version ends only access tokens."""

    person: Person
    ends_sessions: bool = False


def with_changes(person: Person, changes: UserChanges, password_hash: str | None, now: datetime) -> Change:
    """Return the user after `changes`.

    The caller has checked `changes` and put the email into its normal form. `password_hash`: the hash of the new
    password, or None if the password does not change.
    """
    named = {field: value for field, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    other_phone = named.get("phone", person.user.phone) != person.user.phone
    if other_phone or named.get("phone", person.user.phone) is None:
        named["phone_verified"] = bool(named.get("phone")) and named.get("phone_verified") is True
    was_banned, (banned, until) = person.is_banned(now), _ban_after(person, changes, now)
    for field in ("banned", "banned_until", "password", "renew_tokens"):
        named.pop(field, None)
    after = msgspec.structs.replace(
        person,
        user=verified_if_said(person.user, msgspec.structs.replace(person.user, **named), named),
        password_hash=password_hash or person.password_hash,
        banned_at=(person.banned_at if was_banned else now) if banned else None,
        banned_until=until,
        password_changed_at=now if password_hash else person.password_changed_at,
    )
    if after.user.email or after.user.phone or after.password_hash:  # A user who can sign in again is not anonymous.
        after = msgspec.structs.replace(after, user=msgspec.structs.replace(after.user, anonymous=False))
    ends = password_hash is not None or (banned and not was_banned)
    if ends:
        return signed_out(after)
    renews = other_phone or changes.renew_tokens is True
    # The version increases for the same reason as in `with_phone`.
    return next_version(after) if renews else changed(person, after)


def verified_if_said(before: User, after: User, said: Container[str]) -> User:
    """Return `after`. Mark a new address or number as verified only if the change itself says so."""
    for field, flag in (("email", "email_verified"), ("phone", "phone_verified")):
        if getattr(after, field) != getattr(before, field) and flag not in said:
            after = msgspec.structs.replace(after, **{flag: False})
    return after


def credential_changes(before: Person, after: Person, now: datetime) -> list[UserAct]:
    """Return the events about credentials that result from a change by an administrator or an import."""
    was, user, acts = before.user, after.user, list[UserAct]()
    if after.password_hash != before.password_hash:
        acts.append(UserAct.PASSWORD_CHANGE)
    if user.email != was.email:
        acts.append(UserAct.EMAIL_CHANGE)
    elif user.email_verified and not was.email_verified:
        acts.append(UserAct.EMAIL_VERIFY)
    if user.phone != was.phone:
        acts.append(UserAct.PHONE_CHANGE if user.phone else UserAct.PHONE_DELETE)
    if after.is_banned(now) != before.is_banned(now):
        acts.append(UserAct.BAN if after.is_banned(now) else UserAct.UNBAN)
    return acts


def _ban_after(person: Person, changes: UserChanges, now: datetime) -> tuple[bool, datetime | None]:
    """Return whether the user is banned after the changes, and the end of the ban."""
    banned, until = person.is_banned(now), person.banned_until
    if changes.banned is not UNSET:
        banned, until = changes.banned, None
    if changes.banned_until is not UNSET:
        banned, until = banned or changes.banned_until is not None, changes.banned_until
    return banned, until if banned else None


def with_verified_email(person: Person) -> Change:
    """Return the user with a confirmed address."""
    user = msgspec.structs.replace(person.user, email_verified=True)
    return changed(person, msgspec.structs.replace(person, user=user))


def taken_over(person: Person) -> Change:
    """Return the user for the owner of the address, without anything with which another person could sign in."""
    user = msgspec.structs.replace(person.user, email_verified=True, phone=None, phone_verified=False)
    return signed_out(msgspec.structs.replace(person, user=user, password_hash=None))


def with_identity(person: Person, email: str | None, name: str) -> Change:
    """Return an anonymous user as an ordinary user who has an identity. The sessions of the anonymous user end.

    `email`: the verified address, or None.
    """
    found = {"email": email, "email_verified": True} if email else {}
    user = msgspec.structs.replace(person.user, anonymous=False, name=person.user.name or name, **found)
    return signed_out(msgspec.structs.replace(person, user=user))


def with_new_email(person: Person, email: str) -> Change:
    """Return the user with another address, which is confirmed. Raises: SignUpFirst."""
    refuse_anonymous(person)
    user = msgspec.structs.replace(person.user, email=email, email_verified=True)
    return changed(person, msgspec.structs.replace(person, user=user))


def with_phone(person: Person, phone: str | None) -> Change:
    """Return the user with another phone number, which is confirmed. None removes the number.

    The version increases, so that a concurrent sign-in with the old number cannot open a session.
    Raises: SignUpFirst.
    """
    refuse_anonymous(person)
    user = msgspec.structs.replace(person.user, phone=phone, phone_verified=phone is not None)
    return next_version(msgspec.structs.replace(person, user=user))


def phone_taken_over(person: Person) -> Change:
    """Return a user who has only a number, for the person who receives the messages to this number.

    All sessions end.
    """
    return signed_out(msgspec.structs.replace(person, user=msgspec.structs.replace(person.user, phone_verified=True)))


def phone_released(person: Person) -> Change:
    """Return the user without a number that was never confirmed, because the number belongs to another person."""
    user = msgspec.structs.replace(person.user, phone=None, phone_verified=False)
    return next_version(msgspec.structs.replace(person, user=user))


def with_password(person: Person, hash: str, now: datetime) -> Change:
    """Return the user with a new password. The access tokens end. The caller must end sessions if necessary.

    Raises: SignUpFirst.
    """
    refuse_anonymous(person)
    return Change(_with_next_version(msgspec.structs.replace(person, password_hash=hash, password_changed_at=now)))


def reset_by_mail(person: Person, hash: str, now: datetime) -> Change:
    """Return the user with a new password that was set with a mailed link. All sessions end."""
    return signed_out(with_password(person, hash, now).person)


def signed_out(person: Person) -> Change:
    return Change(_with_next_version(person), ends_sessions=True)


def existing(person: Person | None) -> Person:
    """Return the user that a request names. Raises: UserNotFound."""
    if person is None:
        raise no_such_user()
    return person


def no_such_user() -> UserNotFound:
    return UserNotFound("The project has no user with this id; list them with GET /v1/auth/users.")


def signed_in_person(person: Person | None) -> Person:
    """Return the user to whom a token belongs. Raises: Unauthenticated if the user was deleted."""
    if person is None:
        raise account_deleted()
    return person


def next_version(person: Person) -> Change:
    """Return the user with a change that ends the access tokens, but not the sessions."""
    return Change(_with_next_version(person))


def account_deleted() -> Unauthenticated:
    return Unauthenticated("This account was deleted.")


def refuse_anonymous(person: Person) -> None:
    """Raise SignUpFirst if the user is anonymous. Only `Anonymous.upgrade` gives an anonymous user a way to sign in."""
    if person.user.anonymous:
        raise sign_up_first()


def sign_up_first() -> SignUpFirst:
    return SignUpFirst(
        "Send the token of this user with POST /v1/auth/signup, with a code (/v1/auth/login/code or /login/phone), "
        "a link (/v1/auth/login/link) or another service (/v1/auth/oauth/exchange)."
    )


def refuse_banned(person: Person, now: datetime) -> None:
    """Raise UserBanned if the user is banned. The Problem does not tell the end of the ban."""
    if person.is_banned(now):
        raise UserBanned("This user is banned. Ask the operator of this application.")


def changed(before: Person, after: Person) -> Change:
    """Return the change. If it changes the content of access tokens, the access tokens end."""
    return Change(_with_next_version(after) if _token_content(after) != _token_content(before) else after)


def _with_next_version(person: Person) -> Person:
    return msgspec.structs.replace(person, version=person.version + 1)


def _token_content(person: Person) -> tuple[object, ...]:
    """Return the fields of a user that access tokens contain.

    The claims are compared as JSON, because Python treats 1, 1.0 and True as equal, but access rules distinguish them.
    """
    user = person.user
    return user.email, user.email_verified, user.anonymous, user.role, msgspec.json.encode(user.claims)
