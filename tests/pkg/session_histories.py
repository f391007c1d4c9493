"""The parts of a history of sessions that BunAuth and tenant-auth share.

`session_model.py` has the expected results.
"""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any, Final, Protocol, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired, TokenReused
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.jwt import unverified_claims
from tests.pkg.session_model import (
    ACCESS,
    GRACE,
    KEPT,
    REFRESH,
    SESSION,
    ModelAccess,
    ModelAccount,
    ModelRefresh,
    ModelSession,
    Outcome,
    whole_seconds,
)
from tests.seeds import examples

NOT_SHRUNK: Final = (Phase.generate,)  # Shrinking takes minutes, and a person can read a history of 30 acts.
DAY: Final = 86400
CLIENT_ACTS: Final = 12  # A history has this many acts of clients, one after the other.
REFUSALS: Final = (InvalidToken, TokenExpired, TokenReused)

T = TypeVar("T")
Pick = st.integers(0, 1 << 16)


class AnyPair(Protocol):
    """The answer to a sign-in or a refresh, in both rooms."""

    @property
    def access_token(self) -> str: ...
    @property
    def refresh_token(self) -> str: ...


class World:
    """The room that all histories share. The jobs of the room run only when a history calls them."""

    def __init__(self, runner: asyncio.Runner, service: Any, clock: ManualClock) -> None:
        self.runner = runner
        self.service = service
        self.clock = clock
        self.numbers = count()


class SessionHistories(RuleBasedStateMachine):
    """Accounts, or end users, with their sessions. A room adds its acts, `refreshed` and `use`."""

    world: World  # `run_histories` sets this.

    def __init__(self) -> None:
        super().__init__()
        self.accounts: list[ModelAccount] = []
        self.refreshes: list[ModelRefresh] = []
        self.accesses: list[ModelAccess] = []

    @abstractmethod
    async def refreshed(self, token: str, at_once: int) -> list[Any]:
        """Send a refresh token several times at once. Return the answers, or their Problems."""

    @abstractmethod
    def use(self, access: ModelAccess, chance: random.Random) -> None:
        """Use an access token in the same way as a client."""

    @property
    def now(self) -> Any:
        return self.world.clock.now()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.world.runner.run(work)

    def picked(self, among: Sequence[T], pick: int) -> T:
        return among[-1 - pick % len(among)]

    def present(self) -> list[ModelAccount]:
        return [account for account in self.accounts if not account.deleted]

    def sessions(self) -> list[ModelSession]:
        return [session for account in self.accounts for session in account.sessions]

    def usable(self) -> list[ModelAccess]:
        return [access for access in self.accesses if access.usable(self.now)]

    def living(self, chance: random.Random) -> ModelSession:
        """Return a valid session, or any session if there is no valid session."""
        return chance.choice([one for one in self.sessions() if one.alive(self.now)] or self.sessions())

    def follow_clients(self, seed: int, acts: Mapping[str, int], waits: Sequence[int]) -> None:
        """Act as a client that lost an answer, as two tabs at once, and as a thief.

        `acts`: the acts with their weights.
        """
        chance = random.Random(seed)
        for act in chance.choices(tuple(acts), tuple(acts.values()), k=CLIENT_ACTS):
            match act:
                case "wait":
                    self.world.clock.advance(chance.choice(waits))
                case "use":
                    self.use(self.picked(self.accesses, chance.randrange(4)), chance)
                case "refresh":
                    self.check_refresh(self.living(chance).chain[-1], chance.choice((1, 1, 2, 3)))
                case "repeat":
                    self.check_refresh(self.living(chance).chain[-2:][0], chance.choice((1, 1, 2, 3)))
                case "tidy up":
                    self.tidy_up()
                case _:
                    self.check_refresh(chance.choice(self.refreshes), 1)

    def learn_session(self, account: ModelAccount, pair: AnyPair) -> ModelSession:
        """Remember the session that a sign-in has opened."""
        session = ModelSession(account, unverified_claims(pair.access_token)["sid"], self.now + SESSION)
        account.sessions.append(session)
        self.learn_pair(session, pair, 0)
        return session

    def learn_pair(self, session: ModelSession, pair: AnyPair, generation: int) -> None:
        """Remember a pair of tokens. If the refresh token was seen before, the pair must be the same."""
        if generation == len(session.chain):
            token = ModelRefresh(session, pair.refresh_token, min(self.now + REFRESH, session.expires_at))
            session.chain.append(token)
            self.refreshes.append(token)
        assert session.chain[generation].text == pair.refresh_token
        claims = unverified_claims(pair.access_token)
        assert (claims["sid"], claims["gen"], claims["sub"]) == (session.id, generation, session.account.id)
        if pair.access_token not in {access.text for access in self.accesses if access.session is session}:
            until = min(whole_seconds(self.now) + ACCESS, whole_seconds(session.expires_at))
            version = claims.get("ver", 0)  # Only tokens of end users have a version.
            self.accesses.append(ModelAccess(session, pair.access_token, generation, until, version))

    def check_refresh(self, token: ModelRefresh, at_once: int) -> None:
        expected, session = token.outcome(self.now), token.session
        answers = self.run(self.refreshed(token.text, at_once))
        assert len(answers) == at_once
        if expected in (Outcome.REFUSED, Outcome.REUSED):
            assert all(isinstance(answer, REFUSALS) for answer in answers), (expected, answers)
            if expected is Outcome.REUSED:
                assert all(isinstance(answer, TokenReused) for answer in answers)
                session.end(self.now)
            return
        assert not any(isinstance(answer, BaseException) for answer in answers), (expected, answers)
        for pair in answers:
            self.learn_pair(session, pair, token.generation + 1)
            assert unverified_claims(pair.access_token).get("ver", 0) == session.account.version
        if expected is Outcome.NEW_CHILD:
            token.used_at = self.now
            session.use(token.generation)

    def tidy_up(self) -> None:
        """Run the jobs that delete expired rows and pairs that nobody needs."""
        stores = self.world.service.stores
        self.run(stores.feed.forget())
        self.run(stores.delete_over(self.now - KEPT))
        self.run(stores.sessions.forget_pairs(self.now - GRACE))
        for session in self.sessions():
            session.forget(self.now - KEPT)

    def teardown(self) -> None:
        """Send the last refresh token of each session, and check that only valid sessions continue."""
        for session in self.sessions():
            self.check_refresh(session.chain[-1], 1)


def run_histories(
    machine: type[SessionHistories],
    opening: AbstractAsyncContextManager[Any],
    clock: ManualClock,
    histories: int,
    steps: int,
) -> None:
    """Run a number of histories, each with this number of acts, on one service, which `opening` opens."""
    with asyncio.Runner() as runner:
        service = runner.run(opening.__aenter__())
        try:
            machine.world = World(runner, service, clock)
            limits = settings(max_examples=examples(histories), stateful_step_count=steps, phases=NOT_SHRUNK)
            run_state_machine_as_test(machine, settings=limits)
        finally:
            runner.run(opening.__aexit__(None, None, None))
