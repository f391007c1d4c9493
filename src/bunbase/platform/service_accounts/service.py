"""Make, list and delete service accounts, and issue their tokens.

The life of a token: a client proves its identity (with a secret, an assertion, or a secret key of the project),
requests scopes that it has, and gets a token for ten minutes. The gateway checks the token's signature, and asks
`holder` once whether the client still exists. The gateway caches the answer until the feed of revocations names the
client.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from bunbase.contracts.acts import Act, within
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.keys import KeyLimits
from bunbase.contracts.platform import InvalidKey, KeyHolder
from bunbase.contracts.scopes import checked_scopes
from bunbase.contracts.service_accounts import (
    NewServiceAccount,
    ServiceAccessToken,
    ServiceAccount,
    ServiceAccountNotFound,
    ServiceAccounts,
    TokenRefused,
    TokenRequest,
)
from bunbase.pkg.client_assertions import BadAssertion, UnsuitableKey, check_assertion, issuer_of, public_jwk
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.platform.service_accounts.signing import TokenSigner
from bunbase.platform.service_accounts.store import Client, ServiceAccountStore

MAX_ACCOUNTS: Final = 100
SECRET_PREFIX: Final = "scs"
KEY_PREFIX: Final = "sk_"
NOBODY: Final = fingerprint("")
GRANT: Final = "client_credentials"
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REMEMBER_SECONDS: Final = 3600  # no cache keeps an account, and no token lives, for longer than this
MAX_NAME_LENGTH: Final = 100


class ServiceAccountService:
    def __init__(
        self,
        store: ServiceAccountStore,
        signer: TokenSigner,
        key_holder: Callable[[str], Awaitable[KeyHolder]],
        clock: Clock,
    ) -> None:
        """`key_holder`: a function that returns the holder of a secret key. Raises: InvalidKey."""
        self.store = store
        self.signer = signer
        self.key_holder = key_holder
        self.clock = clock
        self.audience = signer.public_url

    async def create(self, caller: Caller, new: NewServiceAccount) -> ServiceAccount:
        caller.check(Act.SERVICE_ACCOUNT_CREATE)
        name, scopes = new.name.strip(), checked_scopes(new.scopes)
        if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise InvalidInput.at("/name", f"A name has 1 to {MAX_NAME_LENGTH} printable characters.")
        if caller.limits is not None and not within(scopes, caller.limits):
            raise InvalidInput.at("/scopes", "A service account can have only scopes that your own token has.")
        try:
            jwk = None if new.public_key is None else public_jwk(new.public_key)
        except UnsuitableKey as bad:
            raise InvalidInput.at("/public_key", str(bad)) from None
        secret = new_secret(SECRET_PREFIX) if jwk is None else None
        made = ServiceAccount(new_id("sa"), name, scopes, self.clock.now(), None, jwk, secret)
        if not await self.store.add(caller.project, made, fingerprint(secret) if secret else None, MAX_ACCOUNTS):
            raise InvalidInput(f"A project has at most {MAX_ACCOUNTS} service accounts. Delete one first.")
        return made

    async def list_accounts(self, caller: Caller) -> ServiceAccounts:
        caller.check(Act.SERVICE_ACCOUNT_READ)
        return ServiceAccounts(tuple(await self.store.of(caller.project, MAX_ACCOUNTS)))

    async def delete(self, caller: Caller, client_id: str) -> None:
        caller.check(Act.SERVICE_ACCOUNT_DELETE)
        forget_at = self.clock.now().timestamp() + REMEMBER_SECONDS
        if not await self.store.delete(caller.project, client_id, forget_at):
            raise ServiceAccountNotFound

    async def holder(self, project: str, id: str) -> KeyHolder:
        found = await self.store.holder(project, id)
        if found is None or (found.expires_at and found.expires_at <= self.clock.now().timestamp()):
            raise InvalidKey("The service account or key of this token was deleted.")
        return found

    async def token(self, asked: TokenRequest) -> ServiceAccessToken:
        """Return a token for a client. Raises: TokenRefused, KeyNotFound, KeyDestroyed."""
        if asked.grant_type != GRANT:
            _refuse("unsupported_grant_type", f"Send grant_type={GRANT}.")
        if asked.client_assertion or asked.client_assertion_type:
            holder = _as_holder(await self._by_assertion(asked))
        elif asked.client_secret.startswith(KEY_PREFIX):
            holder = await self._by_key(asked.client_secret)
        else:
            holder = _as_holder(await self._by_secret(asked))
        scopes = _granted(asked.scope, holder.limits.scopes)
        return await self.signer.sign(holder.project, holder.key_id, scopes, self.clock.now(), holder.expires_at)

    async def _by_secret(self, asked: TokenRequest) -> Client:
        found = await self._client(asked.client_id)
        hash = NOBODY if found is None or found.hash is None else found.hash
        same = hmac.compare_digest(hash, fingerprint(asked.client_secret))
        if found is None or found.hash is None or not same:
            _refuse_client()
        return found

    async def _by_key(self, key: str) -> KeyHolder:
        try:
            holder = await self.key_holder(key)
        except InvalidKey:
            _refuse_client()
        if holder.kind is not CallerKind.SECRET:
            _refuse_client()
        return holder

    async def _by_assertion(self, asked: TokenRequest) -> Client:
        if asked.client_assertion_type != ASSERTION:
            _refuse("invalid_request", f"Send client_assertion_type={ASSERTION}.")
        if asked.client_secret:
            _refuse("invalid_request", "Send either client_secret or client_assertion.")
        try:
            issuer = issuer_of(asked.client_assertion)
            if asked.client_id not in ("", issuer):
                _refuse_client()
            found = await self._client(issuer)
            if found is None or found.public_key is None:
                _refuse_client()
            now = self.clock.now().timestamp()
            proof = check_assertion(asked.client_assertion, found.public_key, found.id, self.audience, now)
        except BadAssertion as bad:
            _refuse("invalid_client", f"The client assertion is not valid: {bad}.")
        if not await self.store.use_assertion(found.id, proof):
            _refuse("invalid_client", "This client assertion was used before. Make a new one, with a new jti.")
        return found

    async def _client(self, id: str) -> Client | None:
        return await self.store.client(id) if id.isascii() and id.isprintable() else None


def _as_holder(client: Client) -> KeyHolder:
    return KeyHolder(client.id, client.project, CallerKind.SECRET, 0.0, KeyLimits(scopes=client.scopes))


def _granted(asked: str, scopes: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the scopes of the token: the requested scopes, or all scopes of the client. Raises: TokenRefused."""
    if not asked.split():
        if scopes is None:
            _refuse(
                "invalid_scope", "A secret key without scopes must name the scopes of its token, as scope=data:read."
            )
        return scopes
    try:
        wanted = checked_scopes(asked.split())
    except InvalidInput as wrong:
        _refuse("invalid_scope", wrong.detail)
    if scopes is not None and not within(wanted, scopes):
        _refuse("invalid_scope", f"This client has only the scopes {' '.join(scopes)}.")
    return wanted


def _refuse_client() -> NoReturn:
    _refuse("invalid_client", "The client is unknown, or its secret is wrong.")


def _refuse(error: str, why: str) -> NoReturn:
    raise TokenRefused(why, error=error)
