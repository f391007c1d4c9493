"""The clients that a person has allowed."""

from __future__ import annotations

from bunbase.bunauth.personal_tokens import REMEMBER_SECONDS
from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.openid import AuthorizationNotFound, Authorizations
from bunbase.contracts.caller import Caller, Developer


class AuthorizationService:
    def __init__(self, stores: Stores, tokens: SessionTokens) -> None:
        self.stores = stores
        self.tokens = tokens

    async def list(self, caller: Caller) -> Authorizations:
        return Authorizations(tuple(await self.stores.oauth_sessions.grants(_with_session(caller).id)))

    async def delete(self, caller: Caller, id: str) -> None:
        """End everything that a client has at the account: its consent, codes and sessions, and their personal tokens.

        The codes are deleted before the sessions end. A concurrent exchange has locked its code, so the deletion waits
        for the exchange, and the new session also ends. Raises: AuthorizationNotFound, Forbidden.
        """
        user, now = _with_session(caller).id, self.tokens.clock.now()
        until = await self.tokens.revoked_until(now)
        async with self.stores.db.transaction():
            client = await self.stores.oauth_sessions.delete_grant(user, id)
            if client is None:
                raise AuthorizationNotFound
            await self.stores.oauth_codes.delete_of(user, client)
            await self.stores.oauth_sessions.end_all(user, client, now, until)
            await self.stores.personal_tokens.delete_of_client(client, now.timestamp() + REMEMBER_SECONDS, user)
            await self.tokens.activity.add(caller, user, Happened(Activity.AUTHORIZATION_DELETE, target=id))


def _with_session(caller: Caller) -> Developer:
    return with_session(caller, "it cannot see or end authorizations: sign in")
