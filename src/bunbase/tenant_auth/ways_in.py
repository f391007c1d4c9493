"""Make sure that a user keeps at least one way to sign in. The same rule applies to the removal of every way."""

from __future__ import annotations

from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.identity.problems import LastSignInMethod
from bunbase.pkg.identity.store import IdentityStores
from bunbase.tenant_auth.people import Person


async def need_way_in(person: Person | None, auth: ProjectAuth, stores: IdentityStores, passkeys: bool) -> None:
    """Check that a user still has a way to sign in. `passkeys`: True if the project supports passkeys.

    Raises: LastSignInMethod.
    """
    if person is None or not await _has_way_in(person, auth, stores, passkeys):
        raise LastSignInMethod(
            "Confirm the address of the user or set a password first, link another identity, or add another passkey."
        )


async def _has_way_in(person: Person, auth: ProjectAuth, stores: IdentityStores, passkeys: bool) -> bool:
    if _has_password(person) or _has_mailbox(person.user) or _has_phone(person.user, auth):
        return True
    if await _has_identity(person, auth, stores):
        return True
    return passkeys and bool((await stores.factors.counts(person.id)).passkeys)


def _has_password(person: Person) -> bool:
    """True if the user has a password, and an address or number for a sign-in with it."""
    return person.password_hash is not None and bool(person.email or person.user.phone)


def _has_mailbox(user: User) -> bool:
    """True if the user has confirmed the address. Every project sends codes, links and new passwords by mail."""
    return user.email is not None and user.email_verified


def _has_phone(user: User, auth: ProjectAuth) -> bool:
    """True if a code can be sent to the user's phone."""
    return bool(auth.hooks.send_sms) and user.phone is not None and user.phone_verified


async def _has_identity(person: Person, auth: ProjectAuth, stores: IdentityStores) -> bool:
    """True if the user has an identity at a service that the project still allows for sign-ins."""
    enabled = {name for name, provider in auth.providers.items() if provider.enabled}
    return any(identity.provider in enabled for identity in await stores.identities.of_account(person.id))
