"""The steps of an app and of a browser in a sign-in with another service."""

from __future__ import annotations

from typing import Any, Final

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity.external import ExternalAnswer, ExternalStart
from bunbase.pkg.ids import new_id
from bunbase.pkg.oidc.person import challenge_of
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from tests.bunauth.external import parameters
from tests.rooms import member_caller
from tests.tenant_auth.people import AT_BAKERY, as_user

VERIFIER: Final = "v" * 43
APP: Final = "https://bakery.example/signed-in"
GOOGLE: Final = {"client_id": "bakery", "client_secret": "only-google-knows"}


async def configure(room: TenantAuth, project: str, **patch: Any) -> None:
    """Allow the app's address, enable Google, and change more settings of a project."""
    settings = {"redirect_urls": [APP], "providers": {"google": GOOGLE}} | patch
    await room.change_project_auth(member_caller(project, Role.ADMIN), settings, None)


async def started(
    room: TenantAuth, caller: Caller = AT_BAKERY, link: str = "", browser: str = "", provider: str = "google"
) -> tuple[str, str]:
    """Start a sign-in. Return the state and the secret of the browser."""
    start = ExternalStart(APP, challenge_of(VERIFIER), link, browser)
    redirect = await room.start_user_login(caller, provider, start)
    return parameters(redirect.url)["state"], redirect.browser


async def code_of(room: TenantAuth, caller: Caller = AT_BAKERY, link: str = "", provider: str = "google") -> str:
    """Sign in at the provider. Return the code that the app gets."""
    state, browser = await started(room, caller, link, provider=provider)
    finished = await room.finish_user_login(provider, ExternalAnswer(state, browser, "code"))
    return parameters(finished.url)["code"]


async def signed_in(
    room: TenantAuth, caller: Caller = AT_BAKERY, link: str = "", exchanger: Caller | None = None
) -> UserSignedIn:
    code = await code_of(room, caller, link)
    return await room.exchange_user_code(exchanger or caller, UserCodeExchange(code, VERIFIER))


async def anonymous(room: TenantAuthService, clock: ManualClock) -> Caller:
    """Return the `Caller` object of a new anonymous user that has a session."""
    user = User(new_id("usr"), None, False, "user", {}, {"cart": ["rye"]}, clock.now(), anonymous=True)
    method = SignInMethod((), "anonymous")
    opened = await room.opening.open_first_session(AT_BAKERY, Person(user), method)
    return await as_user(room, AT_BAKERY, opened.access_token, clock.now().timestamp)
