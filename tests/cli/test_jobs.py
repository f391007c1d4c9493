from __future__ import annotations

from pathlib import Path

import pytest

from bunbase.cli.errors import Usage
from bunbase.cli.project_file import read_project_file
from bunbase.contracts.functions.triggers import (
    ChangeOp,
    DataTrigger,
    JobStatus,
    NewJob,
    Run,
    RunOutcome,
    Schedule,
    ScheduleState,
    TriggerKind,
)
from tests.cli.conftest import Bunbase, executable
from tests.cli.fake_api import NOW, FakeApi


def test_dead_letters_are_listed_replayed_and_deleted_with_the_real_executable(in_project: FakeApi) -> None:
    first, second = (in_project.add_job(NewJob("mail", n), JobStatus.DEAD) for n in range(2))
    in_project.add_job(NewJob("mail"), JobStatus.WAITING)

    dead = executable("jobs", "list", "--state", "dead", "--json").document["items"]
    assert [job["id"] for job in dead] == [first.id, second.id]
    assert executable("jobs", "replay", first.id).code == 0
    assert executable("jobs", "delete", second.id, "--json").document == {"ids": [second.id], "deleted": True}

    assert [job.state for job in in_project.jobs.values()] == [JobStatus.WAITING, JobStatus.WAITING]


def test_a_job_is_added_and_shown(in_project: FakeApi, bunbase: Bunbase) -> None:
    added = bunbase("jobs", "add", "mail", "--data", '{"to": "ada"}', "--key", "k", "--json").document

    shown = bunbase("jobs", "show", added["id"])

    assert (shown.code, '{"to":"ada"}' in shown.out) == (0, True)
    assert in_project.jobs[added["id"]].key == "k"
    assert "mail" in bunbase("jobs", "list", "--function", "mail").out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("add", "mail", "--payload", "text"), 2, "not JSON"),
        (("replay",), 2, "Name at least one job"),
        (("delete", "job_9"), 1, "no such job"),
        (("list", "--state", "gone"), 2, "gone"),
    ],
)
def test_a_mistake_in_a_jobs_command_is_reported(
    in_project: FakeApi, bunbase: Bunbase, words: tuple[str, ...], code: int, says: str
) -> None:
    said = bunbase("jobs", *words)

    assert (said.code, says in said.err) == (code, True), said.err


def test_schedules_and_runs_are_shown(in_project: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("schedules", "list").code == 0
    in_project.schedules.append(ScheduleState("report", "0 9 * * *", "Europe/Berlin", False, NOW))
    for outcome in (RunOutcome.OK, RunOutcome.ERROR):
        in_project.runs.append(
            Run("run_1", "report", 3, TriggerKind.CRON, "job_1", 1, NOW, 12.5, outcome, "http_500", "inv_1")
        )

    shown = bunbase("schedules", "list").out
    failed = bunbase("jobs", "runs", "report", "--outcome", "error").out

    assert "Europe/Berlin" in shown
    assert "0 9 * * *" in shown
    assert (failed.count("http_500"), "v3" in failed) == (1, True)
    assert len(bunbase("jobs", "runs", "report", "--json").document["items"]) == 2


def test_triggers_are_read_from_bunbase_toml(home: Path) -> None:
    (home / "bunbase.toml").write_text("""
[functions.report]
schedule = { cron = "0 9 * * *", time_zone = "Europe/Berlin" }

[functions.thumbnail]
on = [{ bucket = "photos", ops = ["create", "update"], prefix = "originals/" }]

[functions.on-order]
on = [{ collection = "orders", ops = ["create"], where = { status = "paid" } }]
""")

    file = read_project_file()

    assert file.functions["report"].schedule == Schedule("0 9 * * *", "Europe/Berlin")
    assert file.functions["on-order"].on == (DataTrigger("orders", (ChangeOp.CREATE,), {"status": "paid"}),)
    assert file.configs["on-order"]["on"][0]["where"] == {"status": "paid"}
    changed = (ChangeOp.CREATE, ChangeOp.UPDATE)
    assert file.functions["thumbnail"].on == (DataTrigger(ops=changed, bucket="photos", prefix="originals/"),)


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        ('{ collection = "orders", ops = ["drop"] }', "create, update, delete"),
        ('{ collection = "orders", bucket = "photos" }', "a `collection` or a `bucket`, and not both"),
        ('{ ops = ["create"] }', "a `collection` or a `bucket`, and not both"),
        ('{ bucket = "photos", where = { size = 1 } }', "for a bucket, use `prefix`"),
    ],
)
def test_a_mistake_in_a_trigger_is_explained(home: Path, trigger: str, why: str) -> None:
    (home / "bunbase.toml").write_text(f"[functions.f]\non = [{trigger}]")

    with pytest.raises(Usage, match=why):
        read_project_file()
