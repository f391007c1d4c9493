"""The methods of the public `POST /rpc` (JSON-RPC 2.0): other services use them to sign in and to check tokens."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import Any

import msgspec

from bunbase.contracts.bunauth.accounts import NewAccount, SignedIn, SignupPending
from bunbase.contracts.bunauth.factors import Code, SecondFactor
from bunbase.contracts.bunauth.problems import InvalidCredentials, ServiceExchangeOff
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunauth.tokens import ServiceToken, Verified
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import DEVELOPERS, SERVICES, LoginLimits, Place
from bunbase.gateway.problems import for_the_public
from bunbase.pkg.errors import Problem
from bunbase.pkg.rpc.dispatch import CallFailed, Dispatcher, failed_by, methods_of
from bunbase.pkg.rpc.tokens import Passport
from bunbase.pkg.rpc.wire import METHOD_NOT_FOUND

caller: ContextVar[Caller] = ContextVar("rpc_caller")


class AuthMethods:
    """The methods `auth.…`. These methods have the same limits as the routes below `/api/auth`."""

    def __init__(self, bunauth: BunAuth, limits: LoginLimits, identity: Identity) -> None:
        self._bunauth = bunauth
        self._limits = limits
        self._identity = identity

    async def login(self, email: str, password: str) -> SignedIn:
        by = caller.get()
        place, knows = Place(DEVELOPERS, by.ip, email), partial(self._bunauth.knows_address, email, by.ip)
        async with self._limits.attempt(place, knows) as attempt:
            try:
                return await self._bunauth.login(by, email, password)
            except InvalidCredentials:
                attempt.failed = True
                raise

    async def second_factor(self, challenge: str, code: Code) -> SignedIn:
        """End a sign-in that `login` has answered with `second_factor_required`. `code`: a code of the app, or a
        recovery code.
        """
        by = caller.get()
        self._limits.trade(DEVELOPERS, by.ip)  # BunAuth limits the wrong codes for each account.
        return await self._bunauth.login_with_second_factor(by, challenge, SecondFactor(code))

    async def register(
        self, email: str, password: str, name: str = "", setup_token: str = "", invite: str = ""
    ) -> SignedIn | SignupPending:
        by = caller.get()
        self._limits.sign_up(DEVELOPERS, by.ip)
        registered = await self._bunauth.register(by, NewAccount(email, password, name, setup_token, invite))
        return registered.signed_in or SignupPending()

    async def refresh(self, refresh_token: str) -> SignedIn:
        by = caller.get()
        self._limits.trade(DEVELOPERS, by.ip)
        return await self._bunauth.refresh(by, refresh_token)

    async def logout(self, access_token: str) -> None:
        """End the session of an access token.

        A batch may end several sessions, so the token is a parameter, not a header.
        """
        by, identity = caller.get(), self._identity
        if identity.knows_developer(access_token):
            developer = await identity.developer(access_token)
        else:
            developer = await self._limits.look_up(by.ip, access_token, lambda: identity.developer(access_token))
        signed_in = msgspec.structs.replace(by, kind=CallerKind.DEVELOPER, developer=developer)
        await self._bunauth.logout(signed_in)

    async def verify(self, token: str) -> Verified:
        with self._limits.check(caller.get().ip) as check:
            verified = await self._bunauth.verify(token)
            check.failed = not verified.valid
            return verified


class ServiceMethods:
    """The method `service.exchange`: a program sends its secret and gets a short-lived token. A setting turns it on."""

    def __init__(self, bunauth: BunAuth, limits: LoginLimits) -> None:
        self._bunauth = bunauth
        self._limits = limits

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        by = caller.get()
        async with self._limits.attempt(Place(SERVICES, by.ip, client_id)) as attempt:
            try:
                return await self._bunauth.exchange(client_id, client_secret)
            except ServiceExchangeOff:
                raise CallFailed(METHOD_NOT_FOUND, "There is no method service.exchange") from None
            except InvalidCredentials:
                attempt.failed = True
                raise


class PublicDispatcher(Dispatcher):
    """A Dispatcher that hides internal details of Problems, as the other routes do."""

    async def _call(self, request: Any, by: Passport | None) -> Any:
        try:
            return await super()._call(request, by)
        except CallFailed as failed:
            if isinstance(failed.__cause__, Problem):
                raise failed_by(for_the_public(failed.__cause__)) from failed.__cause__
            raise


def public_dispatcher(bunauth: BunAuth, limits: LoginLimits, identity: Identity) -> Dispatcher:
    return PublicDispatcher(
        methods_of("auth", AuthMethods, AuthMethods(bunauth, limits, identity))
        | methods_of("service", ServiceMethods, ServiceMethods(bunauth, limits))
    )
