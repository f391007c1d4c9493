"""The queries of one round: all of them run in one snapshot."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import msgspec

from bunbase.bundoc.engine import Moment
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.edge import Member
from bunbase.bundoc.live.evaluation import Result, evaluated, queried
from bunbase.bundoc.live.group import Group
from bunbase.bundoc.live.visibility import view_of
from bunbase.contracts.bundoc.live import TooManyLiveQueries
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem

QUERY_SECONDS: Final = 3.0  # of one query in a round, since all groups of the project wait for it
ROUND_SECONDS: Final = 20.0
USER_SECONDS: Final = 1.0  # processor time of all queries of one user in a round
SPENT: Final = "The live queries of this project take too long together: use fewer, or simplify their rules."
SPENT_BY_USER: Final = (
    f"After a change, your live queries together need more than {USER_SECONDS:g} s of processor time: use fewer, add "
    "an index, or simplify their rules."
)

Outcome = Result | Problem


class Job(msgspec.Struct, frozen=True):
    """A group whose query must run. `name`: its view, as its members know it.

    `regroup`: the view of each member must be made again. Otherwise this happens only if the snapshot has other rules.
    """

    group: Group
    name: str
    asked: ParsedLive
    caller: Caller
    regroup: bool
    callers: tuple[tuple[Member, Caller], ...]


class Done(msgspec.Struct, frozen=True):
    """`outcomes`: what the query found, for each view. `of`: the index of the outcome, for each of `Job.callers`."""

    job: Job
    outcomes: tuple[Outcome, ...]
    of: tuple[int, ...]


class RoundTime:
    """The time that is left for the queries of a round: for all, and for each user."""

    def __init__(self) -> None:
        self.until = time.monotonic() + ROUND_SECONDS
        self.spent: defaultdict[str, float] = defaultdict(float)

    def outcome(self, user: str, query: Callable[[], Outcome]) -> Outcome:
        """Run a query of this user, if there is time for it."""
        if time.monotonic() > self.until:
            return TooManyLiveQueries(SPENT)
        if self.spent[user] > USER_SECONDS:
            return TooManyLiveQueries(SPENT_BY_USER)
        began = time.thread_time()
        try:
            return query()
        except Problem as problem:
            return problem
        finally:
            self.spent[user] += time.thread_time() - began


def first_outcome(moment: Moment, asked: ParsedLive, caller: Caller, now: datetime, dev: bool) -> tuple[str, Outcome]:
    """Run the first query of a group, in a thread. Return also its view, empty if the caller has none."""
    moment.allow(QUERY_SECONDS)
    try:
        view = view_of(asked, caller, moment.terms(asked.collection), now, dev)
    except Problem as problem:
        return "", problem
    try:
        return view.name, queried(moment, asked, view)
    except Problem as problem:
        return view.name, problem


def run_jobs(moment: Moment, jobs: Iterable[Job], now: datetime, dev: bool) -> list[Done]:
    """Run the queries in one snapshot, in a thread."""
    left = RoundTime()
    return [_run(moment, job, now, dev, left) for job in jobs]


def _run(moment: Moment, job: Job, now: datetime, dev: bool, left: RoundTime) -> Done:
    def outcome(caller: Caller) -> Outcome:
        moment.allow(QUERY_SECONDS)
        return left.outcome(job.group.user, lambda: evaluated(moment, job.asked, caller, now, dev))

    if not job.regroup:
        found = outcome(job.caller)
        if isinstance(found, Result) and found.view.name == job.name:
            return Done(job, (found,), (0,) * len(job.callers))
    outcomes: list[Outcome] = []
    of: list[int] = []
    known: dict[str, int] = {}
    for _, caller in job.callers:
        try:
            name = view_of(job.asked, caller, moment.terms(job.asked.collection), now, dev).name
        except Problem as problem:
            of.append(len(outcomes))
            outcomes.append(problem)
            continue
        if name not in known:
            known[name] = len(outcomes)
            outcomes.append(outcome(caller))
        of.append(known[name])
    return Done(job, tuple(outcomes), tuple(of))
