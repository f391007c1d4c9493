"""The methods of the contract that sign a person in on a page, for one action."""

from __future__ import annotations

from typing import Any

from bunbase.bunauth.service.page_sign_in import PageSignIn
from bunbase.bunauth.service.page_ways_in import PageWaysIn
from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.bunauth.identities import ExternalRedirect
from bunbase.contracts.bunauth.page_sign_in import ActPage, PagePass, PageReturn, PageWays
from bunbase.contracts.caller import Caller


class PageMethods:
    """Every method calls the part that does the work."""

    page_sign_in: PageSignIn
    page_ways_in: PageWaysIn

    async def identify_by_password(self, caller: Caller, email: str, password: str) -> Account:
        return await self.page_sign_in.by_password(caller, email, password)

    async def identify_by_code(self, caller: Caller, challenge: str, code: str) -> Account:
        return await self.page_sign_in.by_code(caller, challenge, code)

    async def identify_by_pass(self, caller: Caller, to: ActPage, cookie: str) -> Account:
        return await self.page_sign_in.by_pass(caller, to, cookie)

    async def start_page_sign_in(self, provider: str, to: ActPage, browser: str) -> ExternalRedirect:
        return await self.page_ways_in.start(provider, to, browser)

    async def finish_page_sign_in(self, caller: Caller, back: PageReturn) -> PagePass:
        return await self.page_ways_in.finish(caller, back)

    async def page_second_factor(self, caller: Caller, to: ActPage, challenge: str, code: str) -> PagePass:
        return await self.page_ways_in.by_code(caller, to, challenge, code)

    async def page_passkey(self, caller: Caller, to: ActPage, challenge: str, credential: dict[str, Any]) -> PagePass:
        return await self.page_ways_in.by_passkey(caller, to, challenge, credential)

    async def page_ways(self, to: ActPage, cookie: str) -> PageWays:
        return await self.page_ways_in.ways(to, cookie)
