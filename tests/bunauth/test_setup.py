from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings, Signups
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.problems import SetupTokenRequired, SignupsClosed
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.people import registered
from tests.rooms import opened

STRANGER = Caller(CallerKind.ANONYMOUS, ip="203.0.113.9")
CHOSEN = "sixteen characters, or more"


@asynccontextmanager
async def started(
    rooms: Rooms, here: Site, chosen: str = "", mode: str = "production", signups: Signups = Signups.AUTO
) -> AsyncIterator[tuple[BunAuthService, list[str]]]:
    """Yield BunAuth as `bunbase serve` opens it, and the list of setup tokens that it printed."""
    told: list[str] = []
    where = replace(here, mode=mode, tell_setup_token=told.append)
    settings = BunAuthSettings(setup_token=chosen, signups=signups)
    async with opened(MODULE, rooms, where, settings=settings) as bunauth:
        yield bunauth, told


async def register(bunauth: BunAuthService, token: str = "", caller: Caller = STRANGER, name: str = "ada") -> SignedIn:
    return await registered(bunauth, f"{name}@example.com", caller, token)


async def test_in_production_the_first_account_needs_the_printed_setup_token(rooms: Rooms, here: Site) -> None:
    """A stranger who finds a new server first must not become its administrator."""
    async with started(rooms, here) as (bunauth, told):
        for wrong in ("", "guess", told[0][:-1], told[0] + "x"):
            for caller in (STRANGER, Caller(CallerKind.ANONYMOUS, ip="127.0.0.1")):
                with pytest.raises(SetupTokenRequired, match="BUNBASE_BUNAUTH__SETUP_TOKEN"):
                    await register(bunauth, wrong, caller)
        assert not (await bunauth.signup_state()).setup_complete

        owner = await register(bunauth, told[0])

        assert owner.user.role == "admin"
        assert (await bunauth.signup_state()).setup_complete
        with pytest.raises(SignupsClosed):  # The token is used up, and now the setting `signups` decides.
            await register(bunauth, told[0], name="bob")
        assert await bunauth.stores.accounts.setup_token() is None


async def test_the_setup_token_is_printed_once_by_several_processes(rooms: Rooms, here: Site) -> None:
    async with started(rooms, here) as (_, told), started(rooms, here) as (second, told_again):
        owner = await register(second, told[0])

        assert told_again == []
        assert owner.user.role == "admin"
    async with started(rooms, here) as (_, told_later):
        assert told_later == []


async def test_only_a_hash_of_the_setup_token_is_stored(rooms: Rooms, here: Site) -> None:
    async with started(rooms, here) as (bunauth, told):
        kept = await bunauth.stores.accounts.setup_token()

        assert kept is not None
        assert len(kept) == 32
        assert told[0].encode() not in kept


async def test_simultaneous_registrations_with_the_setup_token_make_one_administrator(rooms: Rooms, here: Site) -> None:
    async with started(rooms, here) as (bunauth, told):
        answers = await asyncio.gather(
            *(register(bunauth, told[0], name=f"dev{number}") for number in range(5)), return_exceptions=True
        )

    assert Counter(type(answer) for answer in answers) == {SignedIn: 1, SignupsClosed: 4}


async def test_a_configured_setup_token_replaces_the_printed_one(rooms: Rooms, here: Site) -> None:
    async with started(rooms, here) as (_, told):
        pass
    async with started(rooms, here, CHOSEN) as (bunauth, told_now):
        with pytest.raises(SetupTokenRequired):
            await register(bunauth, told[0])

        assert (await register(bunauth, CHOSEN)).user.role == "admin"
        assert told_now == []


async def test_a_start_with_a_short_setup_token_fails(rooms: Rooms, here: Site) -> None:
    with pytest.raises(CannotStart, match="at least 16"):
        async with started(rooms, here, "too short"):
            pass


@pytest.mark.parametrize(
    ("ip", "token", "let_in"),
    [
        ("127.0.0.1", "", True),
        ("127.0.0.1", "any", True),
        ("127.9.9.9", "", True),
        ("::1", "", True),
        ("192.168.1.5", "", False),
        ("", "", False),
        ("localhost", "", False),
        ("192.168.1.5", CHOSEN, True),
        ("192.168.1.5", "a guess", False),
    ],
)
async def test_in_dev_mode_this_machine_needs_no_setup_token(
    rooms: Rooms, here: Site, ip: str, token: str, let_in: bool
) -> None:
    """Other machines need the configured setup token."""
    async with started(rooms, here, CHOSEN, "dev") as (bunauth, _):
        answers = await asyncio.gather(
            register(bunauth, token, Caller(CallerKind.ANONYMOUS, ip=ip)), return_exceptions=True
        )

    assert isinstance(answers[0], SignedIn if let_in else SetupTokenRequired)
