"""`bunbase audit` and `bunbase account activity`."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from itertools import islice

import msgspec
import pytest

from bunbase.cli.audit import row_of
from bunbase.cli.audit_follow import MAX_HELD, Follower, follow
from bunbase.cli.errors import Refused, Unreachable
from bunbase.cli.outage import Outage
from bunbase.contracts.audit import ActorKind, AuditActor, AuditEntry, AuditOutcome
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import NOW, FakeApi

DONE, UNKNOWN = AuditOutcome.DONE, AuditOutcome.UNKNOWN


def entry(id: str, seconds: float, outcome: AuditOutcome = DONE) -> AuditEntry:
    at = NOW + timedelta(seconds=seconds)
    return AuditEntry(id, at, AuditActor(ActorKind.KEY, "key_ci"), "key.create", "", "127.0.0.1", outcome)


class Log:
    """The log of a server. `failures`: the errors of the next requests."""

    def __init__(self, *entries: AuditEntry) -> None:
        self.entries = list(entries)
        self.failures: list[Exception] = []

    def ask(self, since: datetime | None) -> tuple[AuditEntry, ...]:
        if self.failures:
            raise self.failures.pop(0)
        found = [one for one in self.entries if since is None or one.at >= since]
        return tuple(sorted(found, key=lambda one: (one.at, one.id), reverse=True))

    def follower(self) -> Follower[AuditEntry]:
        return Follower(self.ask, self.ask(None)[0] if self.entries else None)


def test_an_account_is_shown_with_its_address_once_and_an_inviter_by_the_address_alone() -> None:
    bob = {"role": "viewer", "email": "bob@example.com"}
    removed = msgspec.structs.replace(entry("a", 0), target="usr_bob", before=bob)
    added = msgspec.structs.replace(entry("b", 0), target="usr_bob", after=bob)
    opened = {"inviter": "ada@example.com", "invited_by": "usr_ada", "opened_account": True}
    joined = msgspec.structs.replace(entry("c", 0), target="prj_1", after=opened)

    shown = [row_of(one)[3:5] for one in (removed, added, joined)]

    assert shown == [
        ("bob@example.com (usr_bob)", ""),
        ("bob@example.com (usr_bob)", "role: viewer"),
        ("prj_1", "inviter: ada@example.com, opened_account: true"),
    ]


def ids(entries: list[AuditEntry]) -> list[str]:
    return [one.id for one in entries]


def test_following_shows_each_new_entry_once_also_those_that_arrive_late() -> None:
    log = Log(entry("old", 0), entry("newest", 100))
    follower = log.follower()

    log.entries += [entry("a", 101), entry("b", 130)]
    first = ids(follower.new_entries())
    log.entries += [entry("late", 99), entry("c", 131)]  # Another server has stored an entry with an earlier time.
    second = ids(follower.new_entries())

    assert (first, second, follower.new_entries()) == (["a", "b"], ["late", "c"], [])
    log.entries += [entry(f"d{n}", 200 + n) for n in range(1000)]
    assert len(follower.new_entries()) == 1000
    assert len(follower.seen) < 100  # The command forgets entries that no later request can return.


def test_following_an_empty_log_shows_its_first_entries() -> None:
    log = Log()
    follower = log.follower()
    assert follower.new_entries() == []
    log.entries += [entry("first", 0)]

    assert ids(follower.new_entries() + follower.new_entries()) == ["first"]


def test_an_act_under_way_is_shown_with_its_outcome_and_without_one_only_after_a_while() -> None:
    log = Log(entry("newest", 0))
    follower = log.follower()

    log.entries += [entry("ends", 1, UNKNOWN), entry("never", 1, UNKNOWN)]
    assert follower.new_entries() == []
    log.entries[1] = entry("ends", 1)
    log.entries += [entry("later", 500)]  # Both entries are still in the range of the next requests.
    assert ids(follower.new_entries()) == ["ends", "later"]

    shown = [one for _ in range(MAX_HELD) for one in follower.new_entries()]
    assert [(one.id, one.outcome) for one in shown] == [("never", UNKNOWN)]


def test_following_survives_a_restart_of_the_server_and_ends_at_errors_that_stay() -> None:
    log = Log(entry("newest", 0))
    follower = log.follower()
    log.entries += [entry("during the outage", 3600)]
    log.failures = [Unreachable("No answer."), Refused({"status": 503, "detail": "Starting."})]
    hints: list[str] = []
    pauses: list[float] = []

    outage = Outage("http://here", hints.append, clock=lambda: sum(pauses), pause=pauses.append)
    (shown,) = islice(follow(follower, outage), 1)

    assert shown.id == "during the outage"
    assert hints[0].endswith(": No answer. Trying again.")
    assert hints[1:] == ["Starting. Trying again.", "Connected again after 2 s."]
    assert pauses == [0.5, 1.0]
    log.failures = [Refused({"status": 403, "code": "forbidden", "detail": "No longer an admin."})]
    with pytest.raises(Refused):
        next(follow(follower, outage))
    log.failures = [Unreachable("No answer.")] * 100
    with pytest.raises(Unreachable, match="has been away for 5 minutes"):
        next(follow(follower, outage))


@pytest.mark.parametrize(
    ("flags", "path"),
    [
        ((), "/api/projects/prj_1/audit"),
        (("--org", "guild"), "/api/orgs/guild/audit"),
        (("--installation",), "/api/admin/audit"),
    ],
)
def test_the_flags_choose_the_log(in_project: FakeApi, bunbase: Bunbase, flags: tuple[str, ...], path: str) -> None:
    assert bunbase("audit", "list", *flags, "--json").document["items"][0]["action"] == path
    assert path in bunbase("audit", "list", *flags).out


def test_flags_that_contradict_each_other_are_refused(in_project: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("audit", "list", "--org", "guild", "--installation").code == 2
    assert bunbase("audit", "list", "--follow", "--until", "1h").code == 2


def test_following_shows_stored_entries_first_and_ends_at_ctrl_c(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bunbase.cli.followed_log.Outage", partial(Outage, pause=interrupted))

    said = bunbase("audit", "list", "--follow", "--json")

    assert said.code == 130
    assert [msgspec.json.decode(line)["id"] for line in said.out.splitlines()] == ["aud_1"]
    assert "Traceback" not in said.err


def test_the_activity_of_the_account_is_listed(signed_in: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("account", "activity", "--json").document["items"][0]["count"] == 3
    out = bunbase("account", "activity").out
    assert "refused (3 times)" in out
    assert "openid (Shop)" in out
