"""No history of sign-ins, refreshes, upgrades and changes of users leaves a dead token usable or ends a living session.

The users are anonymous at first and sign in again with custom tokens, because hashing of passwords would take long.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.settings import AnonymousSettings, ProjectAuth
from bunbase.contracts.tenant_auth.tokens import end_user_of
from bunbase.contracts.tenant_auth.users import UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import open_database
from bunbase.pkg.jwt import unverified_claims
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.modules import Rooms, Site
from bunbase.pkg.passwords import open_passwords
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pools, SharedParts
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from bunbase.tenant_auth.store import Stores
from bunbase.tenant_auth.store.settings import StoredSettings
from tests.fakes import FakeKms
from tests.pkg.session_histories import DAY, Pick, SessionHistories, run_histories
from tests.pkg.session_model import (
    ModelAccess,
    ModelAccount,
)
from tests.rooms import publishable_caller, secret_caller, site
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY

HISTORIES: Final = 10
STEPS: Final = 20
MAX_USERS: Final = 2
WAITS: Final = (1, 9, 11, 600, 901, 3 * DAY, 29 * DAY, 31 * DAY)
ACTS: Final = {"refresh": 6, "repeat": 6, "use": 3, "wait": 3, "any of the past": 1, "tidy up": 2}
SERVER: Final = secret_caller(BAKERY)
BY_LINK: Final = SignInMethod(("link",), "link")


@asynccontextmanager
async def opened_without_jobs(site: Site) -> AsyncIterator[TenantAuthService]:
    options, kms = TenantAuthSettings(), FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with (
        open_database(site.database_url, "tenant_auth", "bunbase.tenant_auth.migrations") as db,
        open_passwords() as passwords,
    ):
        stores = Stores(db, site.clock, options.access_ttl_seconds, MailOutbox(db, site.clock, site.mail, site.dev))
        await stores.settings.note_lifetimes()
        on = ProjectAuth(anonymous=AnonymousSettings(enabled=True))
        await stores.settings.replace(BAKERY, StoredSettings(on), site.clock.now())
        pools = Pools(stores, kms, SharedParts(passwords), options, site)
        yield TenantAuthService(
            pools, UserTokens(kms, site.public_url), Rooms().later(Functions), Rooms().later(Bundoc)
        )


class Histories(SessionHistories):
    @property
    def room(self) -> TenantAuthService:
        service: TenantAuthService = self.world.service
        return service

    def anonymous(self) -> list[ModelAccess]:
        return [one for one in self.usable() if not one.session.account.email]

    # These are the acts of clients.

    @precondition(lambda self: len(self.present()) < MAX_USERS)
    @rule()
    def visit(self) -> None:
        user, pair = ModelAccount(), self.run(self.room.sign_in_anonymously(AT_BAKERY, {}))
        user.id = pair.user.id
        self.accounts.append(user)
        self.learn_session(user, pair)

    @precondition(lambda self: self.present())
    @rule(pick=Pick)
    def sign_in_with_a_custom_token(self, pick: int) -> None:
        user = self.picked(self.present(), pick)
        self.learn_session(user, self.run(self.signed_in(user.id)))

    @precondition(lambda self: self.usable())
    @rule(seed=Pick)
    def clients_work(self, seed: int) -> None:
        """Used refresh tokens come from clients whose answer was lost, from two tabs at one moment, or from thieves."""
        self.follow_clients(seed, ACTS, WAITS[:5])

    @precondition(lambda self: self.anonymous())
    @rule(pick=Pick, at_once=st.integers(1, 2))
    def sign_up_as_a_visitor(self, pick: int, at_once: int) -> None:
        """Of several upgrades at once, one succeeds, which ends all sessions of the visitor and opens a new one."""
        access = self.picked(self.anonymous(), pick)
        user = access.session.account
        answers = self.run(self.upgraded(self.caller(access), at_once))
        (pair,) = [answer for answer in answers if isinstance(answer, UserSignedIn)]
        assert all(isinstance(answer, UserSignedIn | InvalidToken) for answer in answers), answers
        assert pair.user.id == user.id
        user.email = str(pair.user.email)
        user.end_sessions(self.now)
        user.version += 1
        self.learn_session(user, pair)

    @precondition(lambda self: self.usable())
    @rule(pick=Pick)
    def sign_out(self, pick: int) -> None:
        access = self.picked(self.usable(), pick)
        self.run(self.room.logout(self.caller(access)))
        access.session.end(self.now)

    @precondition(lambda self: self.usable())
    @rule(pick=Pick, keep=st.booleans())
    def sign_out_everywhere(self, pick: int, keep: bool) -> None:
        access = self.picked(self.usable(), pick)
        self.run(self.room.end_own_sessions(self.caller(access), keep))
        access.session.account.end_sessions(self.now, access.session if keep else None)

    # These are the acts of the project's server.

    @precondition(lambda self: self.present())
    @rule(pick=Pick)
    def change_the_claims(self, pick: int) -> None:
        user, changes = self.picked(self.present(), pick), UserChanges(claims={"n": next(self.world.numbers)})
        self.run(self.room.update_user(SERVER, user.id, changes))
        user.version += 1

    @precondition(lambda self: self.present())
    @rule(pick=Pick)
    def refresh_while_the_claims_change(self, pick: int) -> None:
        user = self.picked(self.present(), pick)
        living = [one for one in user.sessions if one.alive(self.now) and one.chain[-1].expires_at > self.now]
        if not living:
            return
        session, changes = self.picked(living, pick), UserChanges(claims={"n": next(self.world.numbers)})
        token = session.chain[-1]

        async def both() -> UserSignedIn:
            change = self.room.update_user(SERVER, user.id, changes)
            pair, _ = await asyncio.gather(self.room.refresh(AT_BAKERY, token.text), change)
            return pair

        pair = self.run(both())
        user.version += 1
        self.learn_pair(session, pair, token.generation + 1)
        token.used_at = self.now
        session.use(token.generation)

    @precondition(lambda self: self.present())
    @rule(pick=Pick)
    def end_sessions(self, pick: int) -> None:
        user = self.picked(self.present(), pick)
        self.run(self.room.end_user_sessions(SERVER, user.id))
        user.end_sessions(self.now)
        user.version += 1

    @precondition(lambda self: self.present())
    @rule(pick=Pick)
    def delete(self, pick: int) -> None:
        user = self.picked(self.present(), pick)
        self.run(self.room.delete_user(SERVER, user.id))
        user.deleted = True

    @rule(seconds=st.sampled_from(WAITS))
    def move_the_clock(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    # These checks run after each act.

    @invariant()
    def a_token_is_usable_if_and_only_if_the_model_says_so(self) -> None:
        for access in self.accesses:
            user = self.user_of(access)
            alive = self.run(self.room.session_alive(BAKERY, user.session, access.version))
            assert (alive and access.expires_at > self.now) is access.usable(self.now)

    # Several acts share these steps.

    async def refreshed(self, token: str, at_once: int) -> list[Any]:
        callers = (AT_LIBRARY, *[AT_BAKERY] * at_once)
        sent = (self.room.refresh(caller, token) for caller in callers)
        elsewhere, *answers = await asyncio.gather(*sent, return_exceptions=True)
        assert isinstance(elsewhere, InvalidToken), "another project does not know the token"
        return answers

    async def upgraded(self, caller: Caller, at_once: int) -> list[Any]:
        """Sign a visitor up as `SignIn.sign_up` does, but by a link, which needs no hash of a password."""

        def become(person: Person) -> Person:
            email = f"u{next(self.world.numbers)}@example.com"
            return msgspec.structs.replace(person, user=msgspec.structs.replace(person.user, email=email))

        upgrades = (self.room.anonymous.upgrade(caller, BY_LINK, become) for _ in range(at_once))
        return await asyncio.gather(*upgrades, return_exceptions=True)

    async def signed_in(self, uid: str) -> UserSignedIn:
        token = (await self.room.custom_token(SERVER, uid, {})).token
        return await self.room.login_with_custom_token(AT_BAKERY, token)

    def use(self, access: ModelAccess, chance: random.Random) -> None:
        if access.usable(self.now):
            use = FirstUse(access.session.id, access.generation, BAKERY)
            self.run(self.room.note_first_uses((use,)))
            access.session.use(access.generation)

    def caller(self, access: ModelAccess) -> Caller:
        return publishable_caller(BAKERY, self.user_of(access))

    def user_of(self, access: ModelAccess) -> EndUser:
        return end_user_of(unverified_claims(access.text))


@pytest.mark.hypothesis
def test_no_history_of_end_users_leaves_a_dead_token_usable_or_ends_a_living_session(
    tmp_path: Path, database_url: str, clock: ManualClock
) -> None:
    opening = opened_without_jobs(site(tmp_path, database_url, clock))
    run_histories(Histories, opening, clock, HISTORIES, STEPS)
