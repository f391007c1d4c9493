"""The queries of one round: all of them run in one snapshot, while all watchers of the project wait.

So a round has little time, and each user gets a part of this time. A query for which there is no time is `Late`: its
watches leave the group. The edges of these watches then request the results separately (`late.py`), or watch again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from operator import itemgetter
from typing import Final

import msgspec

from bunbase.bundoc.engine import Moment
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.edge import Member
from bunbase.bundoc.live.evaluation import Result, evaluated, queried
from bunbase.bundoc.live.group import Group
from bunbase.bundoc.live.payers import payer, users_of
from bunbase.bundoc.live.visibility import view_of
from bunbase.contracts.bundoc.live import RulesTooSlow
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem

QUERY_SECONDS: Final = 3.0  # A query for which nobody else waits may take this long.
# All queries of a round together may take this long, in elapsed time, because all watchers wait for them.
ROUND_SECONDS: Final = 1.0
# One query in a round may take this long, in elapsed time, because it may be slower than last time.
SURPRISE_SECONDS: Final = 0.5


class Late(Enum):
    """The reason for which a query has not run in a round."""

    DEAR = "dear"  # the user's queries need more time than one user may use
    CROWDED = "crowded"  # the queries of all users together need too much time


Outcome = Result | Problem


class Job(msgspec.Struct, frozen=True):
    """A group whose query must run.

    `name`: the name of the group's view. `users`: the first few users who watch the group.

    `regroup`: true if the view of each member must be made again. If false, this happens only if the snapshot has other
    rules.
    """

    group: Group
    name: str
    asked: ParsedLive
    caller: Caller
    regroup: bool
    callers: tuple[tuple[Member, Caller], ...]
    users: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """The processor time that the query took when it ran last."""
        return self.group.result.seconds


def job_of(group: Group) -> Job:
    callers = tuple((member, member.caller) for member in group.members)
    users = users_of([caller for _, caller in callers]) or (group.user,)
    return Job(group, group.name, group.asked, group.caller, group.regroup, callers, users)


class Done(msgspec.Struct, frozen=True):
    """The outcome of a job. `outcomes`: the result of the query for each view, or its error.

    `of`: for each of `Job.callers`, the index of its outcome.
    """

    job: Job
    outcomes: tuple[Outcome | Late, ...]
    of: tuple[int, ...]

    @property
    def late(self) -> bool:
        """True if the job did not run at all, because there was no time."""
        return bool(self.outcomes) and all(isinstance(one, Late) for one in self.outcomes)


class RoundTime:
    """The time that is left for the queries of a round: for all, and for each user.

    `user_seconds`: the limit of processor time for all queries of one user. If several users watch a query, it counts
    for the user with the most time left (`payers.py`). `spent`: the seconds that each user has used.
    `left`: the elapsed time that is left for all queries.
    """

    def __init__(self, user_seconds: float) -> None:
        self.user_seconds = user_seconds
        self.left = ROUND_SECONDS
        self.spent: defaultdict[str, float] = defaultdict(float)

    def lack(self, job: Job) -> Late | None:
        """Return the reason why the round has no time for the query, or None.

        The last run of the query predicts its time.
        """
        if self.spent[payer(job.users, self.spent)] + job.seconds > self.user_seconds:
            return Late.DEAR
        return Late.CROWDED if self.left <= 0 else None

    def outcome(self, job: Job, query: Callable[[], Outcome]) -> Outcome | Late:
        """Run a query, if there is time for it."""
        if (late := self.lack(job)) is not None:
            return late
        user, began, on_clock = payer(job.users, self.spent), time.thread_time(), time.monotonic()
        try:
            return query()
        except RulesTooSlow:
            return Late.DEAR  # The query gets more time later, when nobody else waits for its result.
        except Problem as problem:
            return problem
        finally:
            self.spent[user] += time.thread_time() - began
            self.left -= time.monotonic() - on_clock


def first_outcome(moment: Moment, asked: ParsedLive, caller: Caller, now: datetime, dev: bool) -> tuple[str, Outcome]:
    """Run the first query of a group, in a thread. Also return its view; "" if the caller has no view."""
    moment.allow(QUERY_SECONDS)
    try:
        view = view_of(asked, caller, moment.terms(asked.collection), now, dev)
    except Problem as problem:
        return "", problem
    try:
        return view.name, queried(moment, asked, view)
    except Problem as problem:
        return view.name, problem


def run_jobs(moment: Moment, jobs: Iterable[Job], now: datetime, dev: bool, left: RoundTime) -> list[Done]:
    """Run the queries in one snapshot, in a thread."""
    return [_run(moment, job, now, dev, left) for job in cheap_users_first(jobs)]


def cheap_users_first(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs in the order in which they would finish if all users shared the time equally.

    So the jobs for which a round has no time belong to the users who need the most time.
    """
    needed: defaultdict[str, float] = defaultdict(float)
    ends: list[tuple[float, Job]] = []
    for job in sorted(jobs, key=lambda one: one.seconds):
        user = payer(job.users, needed)
        needed[user] += job.seconds
        ends.append((needed[user], job))
    return [job for _, job in sorted(ends, key=itemgetter(0))]


def _run(moment: Moment, job: Job, now: datetime, dev: bool, left: RoundTime) -> Done:
    def outcome(caller: Caller) -> Outcome | Late:
        moment.allow(SURPRISE_SECONDS)
        return left.outcome(job, lambda: evaluated(moment, job.asked, caller, now, dev))

    for_all = (0,) * len(job.callers)
    if (late := left.lack(job)) is not None:
        # The outcome does not need the views of all members, which may be thousands.
        return Done(job, (late,), for_all)
    if not job.regroup:
        found = outcome(job.caller)
        if isinstance(found, Late) or (isinstance(found, Result) and found.view.name == job.name):
            return Done(job, (found,), for_all)
    outcomes: list[Outcome | Late] = []
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
