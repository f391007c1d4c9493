"""Keep at least one way to sign in to a user, whichever way is removed: the rule is the same for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.identity.problems import LastSignInMethod
from bunbase.pkg.passkeys import RelyingParty

if TYPE_CHECKING:
    from bunbase.tenant_auth.pool import Pool


async def need_way_in(pool: Pool, user: str) -> None:
    """Check that a user still has a way to sign in. Call this after a removal, while the user is locked.

    Raises: LastSignInMethod.
    """
    if not await _has_way_in(pool, user):
        raise LastSignInMethod(
            "Confirm the address of the user or set a password first, link another identity, or add another passkey."
        )


async def _has_way_in(pool: Pool, id: str) -> bool:
    person = await pool.users.by_id(pool.project, id)
    if person is None:
        return False
    if person.password_hash is not None or _has_mailbox(person.user) or _has_phone(person.user, pool.auth):
        return True
    return await _has_identity(pool, id) or await _has_passkey(pool, id)


def _has_mailbox(user: User) -> bool:
    """True if the address is the user's. Every project sends codes, links and new passwords by mail."""
    return user.email is not None and user.email_verified


def _has_phone(user: User, auth: ProjectAuth) -> bool:
    """True if a code can be sent to the user's phone."""
    return bool(auth.hooks.send_sms) and user.phone is not None and user.phone_verified


async def _has_identity(pool: Pool, user: str) -> bool:
    """True if the user has an identity at a service with which the project still lets users sign in."""
    enabled = {name for name, provider in pool.auth.providers.items() if provider.enabled}
    return any(identity.provider in enabled for identity in await pool.stores.identities.of_account(user))


async def _has_passkey(pool: Pool, user: str) -> bool:
    return isinstance(pool.party, RelyingParty) and bool((await pool.stores.factors.counts(user)).passkeys)
