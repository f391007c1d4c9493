"""Make, list and delete personal access tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.personal_tokens import MAX_TOKENS, PREFIX, REMEMBER_SECONDS, checked_projects, checked_scopes
from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.names import checked_name, invalid_name
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.store.personal_tokens import PersonalTokenStore
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.problems import InvalidToken, TokenNotFound
from bunbase.contracts.bunauth.tokens import PersonalToken, PersonalTokens
from bunbase.contracts.caller import Caller
from bunbase.contracts.scopes import ADMIN, SECRETS
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint, new_secret

NEEDING_PROOF: Final = frozenset({ADMIN, SECRETS})


class PersonalTokenService:
    def __init__(self, store: PersonalTokenStore, proofs: Proofs) -> None:
        self.store = store
        self.proofs = proofs
        self.activity = proofs.tokens.activity
        self.clock = proofs.clock

    async def create(
        self,
        caller: Caller,
        name: str,
        scopes: tuple[str, ...],
        expires_in_seconds: int | None,
        projects: tuple[str, ...],
    ) -> PersonalToken:
        """Make a token. Only the return value contains the token itself.

        Some actions need a recent proof (reauthentication) in a session, but not with a token. Therefore a person must
        have recently reauthenticated to make a token that permits such an action.
        Raises: ReauthenticationRequired, InvalidInput, InvalidToken, Forbidden.
        """
        developer = with_session(caller, "it cannot make other tokens: sign in with your password")
        name, scopes, now = checked_name(name), checked_scopes(scopes), self.clock.now()
        if not name:
            raise invalid_name("Enter a name that tells you where the token is used.")
        projects = checked_projects(projects)
        if NEEDING_PROOF & {scope.partition("@")[0] for scope in scopes}:
            await self.proofs.need_fresh(caller)
        expires_at = None if expires_in_seconds is None else now + timedelta(seconds=expires_in_seconds)
        secret = new_secret(PREFIX)
        token = PersonalToken(new_id("tok"), name, scopes, now, expires_at, secret, projects, session=developer.session)
        async with self.store.db.transaction():
            if not await self.store.keep_maker(developer.id, developer.session):
                raise InvalidToken
            added = await self.store.add(developer.id, token, fingerprint(secret), MAX_TOKENS)
            if added:
                await self.activity.add(caller, developer.id, Happened(Activity.TOKEN_CREATE, target=name))
        if not added:
            raise InvalidInput(f"You have {MAX_TOKENS} tokens, and an account cannot have more. Delete one first.")
        return token

    async def list(self, caller: Caller) -> PersonalTokens:
        return PersonalTokens(tuple(await self.store.newest(caller.signed_in().id, MAX_TOKENS)))

    async def delete(self, caller: Caller, id: str) -> None:
        until = self.clock.now().timestamp() + REMEMBER_SECONDS
        user = caller.signed_in().id
        async with self.store.db.transaction():
            if not await self.store.delete(user, id, until):
                raise TokenNotFound
            await self.activity.add(caller, user, Happened(Activity.TOKEN_DELETE, target=id))
