"""Sign a person in on a page of the server, for one action. No session stays open."""

from __future__ import annotations

from bunbase.bunauth.service.page_passes import PagePasses
from bunbase.bunauth.service.second_factor import SecondFactorSignIn
from bunbase.bunauth.service.sessions import Sessions
from bunbase.bunauth.service.sign_in import SignIn
from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.page_sign_in import ActPage
from bunbase.contracts.caller import Caller


class PageSignIn:
    def __init__(
        self, sign_in: SignIn, second_factor: SecondFactorSignIn, sessions: Sessions, passes: PagePasses
    ) -> None:
        self.sign_in = sign_in
        self.second_factor = second_factor
        self.sessions = sessions
        self.passes = passes

    async def by_password(self, caller: Caller, email: str, password: str) -> Account:
        """Return the account with this password. Raises: InvalidCredentials, SecondFactorRequired, AccountSuspended."""
        return await self._ended(await self.sign_in.with_password(caller, email, password))

    async def by_code(self, caller: Caller, challenge: str, code: str) -> Account:
        """Return the account of a challenge. `code`: the code of the app, or a recovery code.

        Raises: ChallengeExpired, WrongCode, RateLimited, AccountSuspended.
        """
        return await self._ended(await self.second_factor.finish(caller, challenge, SecondFactor(code)))

    async def by_pass(self, caller: Caller, to: ActPage, cookie: str) -> Account:
        """Return the account of a pass, and use up the pass. Raises: ChallengeExpired, AccountSuspended."""
        signed_in, _ = await self.passes.use(caller, to, cookie, self.passes.tokens)
        return await self._ended(signed_in)

    async def _ended(self, signed_in: SignedIn) -> Account:
        await self.sessions.end_of_token(signed_in.access_token)
        return signed_in.user
