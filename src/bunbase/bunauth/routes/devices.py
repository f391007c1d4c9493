"""Sign in devices without typing a password there (RFC 8628): `/api/auth/device` and the page `/device`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import post
from litestar.params import QueryParameter

from bunbase.bunauth.pages import devices
from bunbase.bunauth.routes.page_sign_in import cookie_of_pass
from bunbase.bunauth.routes.pages import acts, shows
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.devices import DeviceLogin
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName
from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    DeviceNotFound,
    InvalidCredentials,
    SecondFactorRequired,
    WrongCode,
)
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.serving import AnyRequest, Html, fields_of, html

TAGS = ["Developers"]

TypedCode = Annotated[str, QueryParameter(max_length=100)]


class StartDeviceLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`client`: the name of the program and the device. The person who approves sees this name."""

    client: str = ""


class DeviceCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device_code: str


class UserCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user_code: str


@post("/api/auth/device", summary="Sign a device in", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def start_device_login(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], data: StartDeviceLogin
) -> DeviceLogin:
    """Show `user_code` and `verification_uri` to a person, and call `/api/auth/device/token` every `interval` seconds
    (RFC 8628). The codes are valid for ten minutes.
    """
    return await bunauth.start_device_login(anyone, data.client)


@post(
    "/api/auth/device/token",
    summary="Get the tokens of a device",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def poll_device_login(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: DeviceCode) -> SignedIn:
    """Until a person has decided, the response is 400 and `error` is `authorization_pending` or `slow_down`. After
    `slow_down`, increase your interval by five seconds. `access_denied` and `expired_token` are final. BunBase returns
    the tokens only once.
    """
    return await bunauth.poll_device_login(anyone, data.device_code)


@post("/api/auth/device/approve", summary="Approve the sign-in of a device", tags=TAGS, status_code=204)
async def approve_device_login(developer: Injected[Caller], bunauth: Injected[BunAuth], data: UserCode) -> None:
    """Needs recent reauthentication. The device gets a session of your account. Dangerous requests in this session need
    reauthentication first.
    """
    await bunauth.decide_device_login(developer, data.user_code, approve=True)


@post("/api/auth/device/deny", summary="Deny the sign-in of a device", tags=TAGS, status_code=204)
async def deny_device_login(developer: Injected[Caller], bunauth: Injected[BunAuth], data: UserCode) -> None:
    """Needs recent reauthentication."""
    await bunauth.decide_device_login(developer, data.user_code, approve=False)


@shows(devices.PATH)
async def show_device(
    anyone: Injected[Caller],
    bunauth: Injected[BunAuth],
    site: Injected[Site],
    request: AnyRequest,
    user_code: TypedCode = "",
) -> Html:
    if not user_code:
        return html(devices.ask_for_code())
    try:
        device = await bunauth.waiting_device(user_code)
        ways = await bunauth.page_ways(ActPage(PageName.DEVICE, device.user_code), cookie_of_pass(request, site))
        return html(devices.decide(device, ways=ways))
    except DeviceNotFound as problem:
        return html(devices.not_found(problem.detail), problem.status)


@acts(devices.PATH)
async def decide_device(anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest) -> Html:
    fields = await fields_of(request)
    user_code, email, password = (fields.get(name, "") for name in ("user_code", "email", "password"))
    approve = fields.get("decision") == devices.APPROVE
    try:
        await bunauth.decide_device_login_by_password(anyone, user_code, email, password, approve)
        return html(devices.decided(approve))
    except DeviceNotFound as problem:
        return html(devices.not_found(problem.detail), problem.status)
    except SecondFactorRequired as problem:  # This is not an error, but leads to the next step.
        return html(devices.ask_for_second_factor(user_code, problem.extra["challenge"], approve))
    except InvalidCredentials as problem:
        device = await bunauth.waiting_device(user_code)
        return html(devices.decide(device, email, problem.detail), problem.status)


@acts(devices.CONTINUE)
async def decide_device_with_pass(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    user_code, approve = fields.get("user_code", ""), fields.get("decision") == devices.APPROVE
    try:
        await bunauth.decide_device_login_by_pass(anyone, user_code, cookie_of_pass(request, site), approve)
        return html(devices.decided(approve))
    except DeviceNotFound as problem:
        return html(devices.not_found(problem.detail), problem.status)
    except ChallengeExpired as problem:
        device = await bunauth.waiting_device(user_code)
        return html(devices.decide(device, error=problem.detail), problem.status)


@acts(devices.SECOND_FACTOR)
async def decide_device_with_second_factor(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    user_code, challenge, code = (fields.get(name, "") for name in ("user_code", "challenge", "code"))
    approve = fields.get("decision") == devices.APPROVE
    try:
        left = await bunauth.decide_device_login_by_code(anyone, user_code, challenge, code, approve)
        return html(devices.decided(approve, left))
    except DeviceNotFound as problem:
        return html(devices.not_found(problem.detail), problem.status)
    except ChallengeExpired as problem:
        device = await bunauth.waiting_device(user_code)
        return html(devices.decide(device, error=problem.detail), problem.status)
    except (WrongCode, RateLimited) as problem:
        page = devices.ask_for_second_factor(user_code, challenge, approve, problem.detail)
        return html(page, problem.status, problem.headers())


ROUTES = (
    start_device_login,
    poll_device_login,
    approve_device_login,
    deny_device_login,
    show_device,
    decide_device,
    decide_device_with_pass,
    decide_device_with_second_factor,
)
