"""Make sure that an account keeps a way to sign in: a password, an identity at another service, or a passkey."""

from __future__ import annotations

from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.problems import LastSignInMethod


async def need_way_in(stores: Stores, user: str) -> None:
    """Check that an account still has a way to sign in. Call this after a removal, while the account is locked.

    Raises: LastSignInMethod.
    """
    if (
        await stores.accounts.password_hash(user) is None
        and not await stores.identities.of_account(user)
        and not (await stores.factors.counts(user)).passkeys
    ):
        raise LastSignInMethod("Set a password first, link another identity, or add another passkey.")
