"""In no history of sign-ins, refreshes and changes is an ended token usable, or a valid session ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service import BunAuthService, ServiceParts
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.contracts.bunauth.accounts import NewAccount, Proof, SignedIn
from bunbase.contracts.bunauth.problems import (
    InvalidCredentials,
    InvalidToken,
    LastAdministrator,
    TokenExpired,
    TokenReused,
    WrongProof,
)
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.caller import Caller, CallerKind, Developer
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import open_database
from bunbase.pkg.identity.store.mail_tokens import NewMailToken
from bunbase.pkg.jwt import BadToken
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.modules import Site
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.pkg.passwords import open_passwords
from tests.fakes import FakeKms
from tests.pkg.session_histories import DAY, Pick, SessionHistories, run_histories
from tests.pkg.session_model import (
    ModelAccess,
    ModelAccount,
    ModelSession,
)
from tests.rooms import ANYONE

HISTORIES: Final = 12
STEPS: Final = 25
MAX_ACCOUNTS: Final = 2
STEP_SECONDS: Final = (-5, 1, 9, 10, 61, 600, 899, 900, DAY, 2 * DAY, 29 * DAY, 31 * DAY, 149 * DAY, 181 * DAY)
ALMOST_OVER_SECONDS: Final = 300
CLIENT_ACTS: Final = {"refresh": 6, "repeat": 6, "use": 3, "wait": 4, "any of the past": 1, "tidy up": 3}
CLIENT_WAITS: Final = (1, 9, 11, 600, 901, 3 * DAY)
ALIVE: Final = """
SELECT coalesce(array_agg(id), '{}') FROM sessions WHERE id = ANY ($1) AND ended_at IS NULL AND expires_at > $2"""
REVOKED: Final = """
SELECT coalesce(array_agg(id), '{}') FROM revocations
WHERE kind = 'session' AND id = ANY ($1) AND until >= $2"""


@asynccontextmanager
async def opened_without_jobs(site: Site) -> AsyncIterator[BunAuthService]:
    options = BunAuthSettings()
    async with (
        open_database(site.database_url, "bunauth", "bunbase.bunauth.migrations") as db,
        open_passwords() as passwords,
    ):
        stores = Stores(db, site.clock, options.access_ttl_seconds, MailOutbox(db, site.clock, site.mail, site.dev))
        await stores.lifetimes.note()
        keys = SigningKeys(stores, FakeKms(), timedelta(days=options.signing_key_days), site.clock)
        await keys.open()
        access = AccessTokens(keys, site.public_url, options.access_ttl_seconds)
        yield BunAuthService(stores, ServiceParts(passwords, access, FakeKms()), options, site)


class Histories(SessionHistories):
    @property
    def bunauth(self) -> BunAuthService:
        service: BunAuthService = self.world.service
        return service

    def caller(self, access: ModelAccess) -> Caller:
        account = access.session.account
        developer = Developer(account.id, account.email, admin=False, session=access.session.id)
        return Caller(CallerKind.DEVELOPER, developer=developer, ip="127.0.0.1")

    # The acts of clients.

    @precondition(lambda self: len(self.present()) < MAX_ACCOUNTS)
    @rule()
    def register(self) -> None:
        number = next(self.world.numbers)
        account = ModelAccount(f"p{number}@example.com", f"password of {number}")
        registered = self.run(self.bunauth.register(ANYONE, NewAccount(account.email, account.password)))
        assert registered.signed_in is not None
        account.id = registered.signed_in.user.id
        self.accounts.append(account)
        self.learn_session(account, registered.signed_in)

    @precondition(lambda self: self.present())
    @rule(pick=Pick)
    def sign_in(self, pick: int) -> None:
        account = self.picked(self.present(), pick)
        self.learn_session(account, self.run(self.bunauth.login(ANYONE, account.email, account.password)))

    @precondition(lambda self: self.accounts)
    @rule(pick=Pick)
    def sign_in_with_a_dead_password(self, pick: int) -> None:
        account = self.picked(self.accounts, pick)
        dead = [account.password] if account.deleted else ["never the password", *account.old_passwords]
        with pytest.raises(InvalidCredentials):
            self.run(self.bunauth.login(ANYONE, account.email, self.picked(dead, pick)))

    @precondition(lambda self: self.usable())
    @rule(seed=Pick)
    def clients_work(self, seed: int) -> None:
        """Refresh tokens. A client sends a used refresh token if it lost the answer.

        A thief also sends a used token.
        """
        self.follow_clients(seed, CLIENT_ACTS, CLIENT_WAITS)

    async def refreshed(self, token: str, at_once: int) -> list[Any]:
        calls = (self.bunauth.refresh(ANYONE, token) for _ in range(at_once))
        return await asyncio.gather(*calls, return_exceptions=True)

    def use(self, access: ModelAccess, chance: random.Random) -> None:
        usable = access.usable(self.now)
        if chance.random() < 0.5 and usable:  # The gateway notes the use, or a room asks.
            self.run(self.bunauth.note_first_uses((FirstUse(access.session.id, access.generation),)))
        else:
            assert self.run(self.bunauth.verify(access.text)).valid is usable
        if usable:
            access.session.use(access.generation)

    @precondition(lambda self: self.usable())
    @rule(pick=Pick)
    def sign_out(self, pick: int) -> None:
        access = self.picked(self.usable(), pick)
        self.run(self.bunauth.logout(self.caller(access)))
        access.session.end(self.now)

    @precondition(lambda self: self.usable())
    @rule(pick=Pick, keep=st.booleans())
    def sign_out_everywhere(self, pick: int, keep: bool) -> None:
        access = self.picked(self.usable(), pick)
        self.run(self.bunauth.end_sessions(self.caller(access), keep))
        access.session.account.end_sessions(self.now, access.session if keep else None)

    @precondition(lambda self: self.usable())
    @rule(pick=Pick, wrong=st.booleans())
    def change_the_password(self, pick: int, wrong: bool) -> None:
        access = self.picked(self.usable(), pick)
        account, next = access.session.account, self.next_password()
        if wrong:
            with pytest.raises(WrongProof):
                self.run(self.bunauth.change_password(self.caller(access), next, "a wrong password"))
            return
        self.run(self.bunauth.change_password(self.caller(access), next, account.password))
        self.replaced_password(account, next, keep=access.session)

    @precondition(lambda self: self.present())
    @rule(pick=Pick)
    def reset_the_password(self, pick: int) -> None:
        account, next = self.picked(self.present(), pick), self.next_password()
        self.run(self.reset(account, next))
        self.replaced_password(account, next)

    @precondition(lambda self: self.usable())
    @rule(pick=Pick)
    def change_the_email(self, pick: int) -> None:
        """Change the address. Sessions continue under the new address, and nobody can sign in with the old address."""
        access = self.picked(self.usable(), pick)
        account, new = access.session.account, f"q{next(self.world.numbers)}@example.com"
        self.run(self.changed_email(access, new))
        account.email = new

    @precondition(lambda self: self.usable())
    @rule(pick=Pick)
    def delete_the_account(self, pick: int) -> None:
        access = self.picked(self.usable(), pick)
        account = access.session.account
        self.run(self.bunauth.reauthenticate(self.caller(access), Proof(account.password)))
        try:
            self.run(self.bunauth.delete_account(self.caller(access)))
        except LastAdministrator:
            return  # This is the first account of the installation, so nothing changes.
        account.deleted = True

    @precondition(lambda self: self.usable())
    @rule(pick=Pick, end=st.sampled_from(("sign out", "change password", "reset password")))
    def refresh_while_the_session_ends(self, pick: int, end: str) -> None:
        """Either act may come first. After both acts, the session has ended, even if the refresh returned tokens."""
        access = self.picked(self.usable(), pick)
        session, account, token = access.session, access.session.account, access.session.chain[-1]
        other = next((one for one in self.usable() if one.session.account is account and one.session != session), None)
        next_one = self.next_password()
        match end:
            case "change password" if other is not None:
                ending = self.bunauth.change_password(self.caller(other), next_one, account.password)
            case "reset password":
                ending = self.reset(account, next_one)
            case _:
                ending, next_one = self.bunauth.logout(self.caller(access)), ""
        pair = self.run(self.both(self.bunauth.refresh(ANYONE, token.text), ending))
        if isinstance(pair, SignedIn):
            self.learn_pair(session, pair, token.generation + 1)
            token.used_at = self.now
            session.use(token.generation)
        session.end(self.now)
        if next_one:
            self.replaced_password(
                account, next_one, keep=other.session if end == "change password" and other else None
            )

    @precondition(lambda self: self.usable())
    @rule(pick=Pick, times=st.integers(1, 3))
    def sign_in_while_the_password_changes(self, pick: int, times: int) -> None:
        access = self.picked(self.usable(), pick)
        for _ in range(times):
            self.sign_in_during_change(access)

    def sign_in_during_change(self, access: ModelAccess) -> None:
        account, next_one = access.session.account, self.next_password()
        change = self.bunauth.change_password(self.caller(access), next_one, account.password)
        pair = self.run(self.both(self.bunauth.login(ANYONE, account.email, account.password), change))
        if isinstance(pair, SignedIn):
            self.learn_session(account, pair)
        self.replaced_password(account, next_one, keep=access.session)

    @rule(seconds=st.sampled_from(STEP_SECONDS))
    def move_the_clock(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @precondition(lambda self: self.usable())
    @rule(pick=Pick)
    def stay_signed_in_until_the_session_is_almost_over(self, pick: int) -> None:
        session = self.picked(self.usable(), pick).session
        while session.alive(self.now):
            self.check_refresh(session.chain[-1], 1)
            left = (session.expires_at - self.now).total_seconds()
            if left <= ALMOST_OVER_SECONDS:
                break
            self.world.clock.advance(min(29 * DAY, left - ALMOST_OVER_SECONDS))

    # The checks after each act.

    @invariant()
    def a_session_is_alive_if_and_only_if_the_model_says_so(self) -> None:
        sessions = [session for account in self.accounts for session in account.sessions]
        alive = self.run(self.bunauth.stores.db.value(ALIVE, [one.id for one in sessions], self.now))
        assert set(alive) == {one.id for one in sessions if one.alive(self.now)}

    @invariant()
    def every_process_learns_which_tokens_are_dead(self) -> None:
        """Check that every process refuses dead tokens.

        A gateway accepts an access token that has not expired, unless the session is among the revocations.
        """
        for access in self.accesses:
            try:
                self.bunauth.access.claims(access.text)
            except BadToken:
                assert access.expires_at <= self.now
            else:
                assert access.expires_at > self.now
        dead = {one.session.id for one in self.accesses if one.expires_at > self.now and not one.usable(self.now)}
        revoked = self.run(self.bunauth.stores.db.value(REVOKED, list(dead), self.now.timestamp()))
        assert set(revoked) == dead

    # The steps that several acts share.

    def next_password(self) -> str:
        return f"password number {next(self.world.numbers)}"

    def replaced_password(self, account: ModelAccount, password: str, keep: ModelSession | None = None) -> None:
        account.old_passwords.append(account.password)
        account.password = password
        account.end_sessions(self.now, keep)

    async def both(self, first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]) -> Any:
        """Run both acts at once. Return the result of the first act, or its refusal. The second act must succeed."""
        answers: list[Any] = await asyncio.gather(*[first, second], return_exceptions=True)
        result, done = answers
        assert done is None
        assert isinstance(result, SignedIn | InvalidCredentials | InvalidToken | TokenExpired | TokenReused), result
        return result

    async def link(self, kind: MailKind, account: ModelAccount, email: str) -> str:
        """Return the token of a link, as a mail to the address would contain it."""
        token, until = new_secret("bmt"), self.now + timedelta(hours=1)
        await self.bunauth.stores.mail_tokens.add(NewMailToken(fingerprint(token), kind, account.id, email, until))
        return token

    async def reset(self, account: ModelAccount, password: str) -> None:
        await self.bunauth.reset_password(
            ANYONE, await self.link(MailKind.PASSWORD_RESET, account, account.email), password
        )

    async def changed_email(self, access: ModelAccess, new: str) -> None:
        account = access.session.account
        await self.bunauth.reauthenticate(self.caller(access), Proof(account.password))
        await self.bunauth.request_email_change(self.caller(access), new)
        await self.bunauth.confirm_email_change(ANYONE, await self.link(MailKind.CHANGE_OF_OLD, account, account.email))
        done = await self.bunauth.confirm_email_change(ANYONE, await self.link(MailKind.CHANGE_OF_NEW, account, new))
        assert done.status == "changed"


@pytest.mark.hypothesis
def test_no_history_leaves_a_dead_token_usable_or_ends_a_living_session(here: Site, clock: ManualClock) -> None:
    run_histories(Histories, opened_without_jobs(here), clock, HISTORIES, STEPS)
