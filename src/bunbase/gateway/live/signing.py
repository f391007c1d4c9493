"""The sign-in of a live connection: how it begins, how it is renewed and checked again, and how it ends.

Its life: `auth` → the check in `sign_in.py` → admission → the watches are checked again for the new caller
(`Queries.recheck`) → `hello`. If a revocation arrives, the session is blocked in the same turn of the event loop. After
that, the check is repeated.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from msgspec import UNSET

from bunbase.gateway.live import messages
from bunbase.gateway.live.blocked import Blocked
from bunbase.gateway.live.messages import Auth
from bunbase.gateway.live.problems import UserChanged
from bunbase.gateway.live.session import AUTH_ENDED, QUOTA, Session
from bunbase.gateway.live.sign_in import Offered, SignedIn
from bunbase.pkg.errors import Problem
from bunbase.pkg.websocket.frames import CloseCode

NOTICE_SECONDS: Final = 60.0  # This long before a token expires, the client is asked for another token.
GRACE_SECONDS: Final = 30.0  # This long after a token has expired, the client may still send another token.
REVOKED_SECONDS: Final = 15.0
STEP_OUT_SECONDS: Final = 2.0  # The members of an ended sign-in leave after this time.
DOUBT_SECONDS: Final = 1.0  # While a room cannot be reached, two checks of a credential are this far apart.


def on_auth(session: Session, message: Auth) -> None:
    _begin(session, message.resume)
    _spawn(session, _sign_in(session, Offered(message.key, message.token, message.project, message.explain)))


async def enter(session: Session, offered: Offered, resume: str) -> None:
    """Sign in for the first time, for a transport that can answer a refusal itself.

    Raises: the problems of `SignIn.check`, TooManyLiveConnections.
    """
    _begin(session, resume)
    await _admit(session, await _check(session, offered))
    if session.signing:  # `doubt` was called meanwhile.
        await _prove(session)


def doubt(session: Session) -> None:
    """Stop the delivery at once, because a credential may have ended. After that, check the credentials again."""
    if session.closed or session.signed is None:
        return
    session.generation += 1
    session.block(Blocked.CHECK)
    if not session.signing:
        _prove_soon(session)


def _begin(session: Session, resume: str) -> None:
    session.signing = True
    session.resumes = resume
    session.block(Blocked.CHECK)


async def _check(session: Session, offered: Offered) -> SignedIn:
    return await session.home.sign_in.check(session.sender, session.origin, offered)


def _spawn(session: Session, work: Coroutine[Any, Any, None]) -> None:
    session.home.spawn(_guarded(session, work))


async def _guarded(session: Session, work: Coroutine[Any, Any, None]) -> None:
    """Do the work. If the work fails, end the connection, because the state of the sign-in is then unknown."""
    try:
        await work
    except Exception:
        session.bye("fault", CloseCode.INTERNAL, 1.0)
        raise


async def _sign_in(session: Session, offered: Offered) -> None:
    generation = session.generation
    try:
        await _admit(session, await _check(session, offered))
    except Problem as problem:
        session.signing = False
        if session.signed is None:
            _turn_away(session, problem)
            return
        session.refuse(None, problem)
        if generation == session.generation:
            session.unblock(Blocked.CHECK)
            session.take_waiting()
        else:  # an earlier doubt about the sign-in is not settled yet
            _prove_soon(session)
        return
    if session.signing:
        await _prove(session)
    session.take_waiting()


async def _admit(session: Session, signed: SignedIn) -> None:
    """Let the session continue as this caller. Raises: TooManyLiveConnections."""
    if session.closed:
        return
    before, home = session.signed, session.home
    if before is None:
        home.admission.enter(*signed.counted_as)
        home.admission.introduce(session)
    elif before.counted_as != signed.counted_as:
        home.admission.change(before.counted_as, signed.counted_as)
        _end_all(session)
    session.generation += 1
    session.signed, session.expires_at = signed, signed.expires_at
    home.signed_in(session, before)
    _set_deadlines(session)
    if before is not None and before.caller != signed.caller and (session.watches or session.joins):
        generation = session.generation
        await home.queries.recheck(session)
        await home.channels.recheck(session)
        if session.closed or generation != session.generation:
            return
    session.signing = False
    expires = signed.offered.token and signed.expires_at < math.inf
    seconds = math.floor(signed.expires_at - time.time()) if expires else UNSET
    session.put(home.hello(session.id, seconds))
    session.unblock(Blocked.CHECK | Blocked.ENDED)


def _end_all(session: Session) -> None:
    """End all watches, joins and syncs of the previous user."""
    changed = UserChanged("Another user has signed in: watch and join again.")
    session.refuse_older(changed)
    session.home.queries.end_all(session, changed)
    session.home.channels.end_all(session, changed)


def _set_deadlines(session: Session) -> None:
    if session.expires_at == math.inf:
        return
    left = session.expires_at - time.time()
    notice = left - NOTICE_SECONDS if left > 2 * NOTICE_SECONDS else left / 2
    for seconds, act in (
        (notice, partial(_ask_for_token, session)),
        (left, session.expire),
        (left + STEP_OUT_SECONDS, partial(_step_out, session)),
        (left + GRACE_SECONDS, partial(_end_sign_in, session)),
    ):
        session.home.deadlines.add(max(0.0, seconds), session, session.generation, act)


def _ask_for_token(session: Session) -> None:
    seconds = max(0, round(session.expires_at - time.time()))
    session.put(messages.encoded("auth", why="expires", **{"in": seconds}))


def _end_sign_in(session: Session) -> None:
    session.bye("auth", AUTH_ENDED)


def _prove_soon(session: Session) -> None:
    session.signing = True
    _spawn(session, _prove(session))


async def _prove(session: Session) -> None:
    while not session.closed and session.signed is not None:
        try:
            await _admit(session, await _check(session, session.signed.offered))
        except Problem as problem:
            # The check has failed, so nobody knows whether the sign-in has ended.
            if problem.status >= 500 or problem.status == 429:
                await asyncio.sleep(DOUBT_SECONDS)
                continue
            _be_revoked(session)
        if not session.signing:
            break
    session.take_waiting()


def _be_revoked(session: Session) -> None:
    session.signing = False
    session.generation += 1
    session.expires_at = math.inf
    session.block(Blocked.ENDED)
    session.put(messages.encoded("auth", why="revoked", **{"in": round(REVOKED_SECONDS)}))
    for seconds, act in (
        (STEP_OUT_SECONDS, partial(_step_out, session)),
        (REVOKED_SECONDS, partial(_end_sign_in, session)),
    ):
        session.home.deadlines.add(seconds, session, session.generation, act)


def _step_out(session: Session) -> None:
    session.home.channels.step_out(session)


def _turn_away(session: Session, problem: Problem) -> None:
    after = float(problem.extra.get("retry_after_seconds", 1))
    if problem.status >= 500:
        session.bye("fault", CloseCode.INTERNAL, after, problem)
    elif problem.status == 429:
        session.bye("quota", QUOTA, after, problem)
    else:
        session.bye("auth", AUTH_ENDED, problem=problem)
