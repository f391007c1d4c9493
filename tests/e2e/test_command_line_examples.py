"""A person follows the READMEs of examples/notes-python and examples/household on one running `bunbase dev`."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest

from bunbase_sdk import Client
from bunbase_sdk.core.credentials import account_in
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import STOP_SECONDS, Instance, free_port, poll

REPOSITORY: Final = Path(__file__).parents[2]
BLOCKS: Final = re.compile(r"^```sh \w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL: Final = ["bash", "-euo", "pipefail", "-c"]
# Somebody who has tried the example has these files.
WRITTEN: Final = ("account.json", "*.secret", ".env", "__pycache__")
ADA, EVE, BOB = "ada@example.com", "eve@example.com", "bob@example.com"
HEADER: Final = "household,month,category,euros,items\n"
HOME: Final = {"household": "home"}
ITEMS: Final = 1_100  # This is a tenth of the items of the README, with a tenth of the budget of a list.
BUDGET: Final = 1_000


class Clone:
    """A clone of the repository, in which only one example is a copy.

    `commands`: the commands of the example's README.
    """

    def __init__(self, server: Instance, example: str) -> None:
        self.server = server
        self.folder = server.home / example
        self.example = self.folder / "examples" / example
        source = REPOSITORY / "examples" / example
        shutil.copytree(source, self.example, ignore=shutil.ignore_patterns(*WRITTEN))
        for name in (".venv", "sdk"):
            (self.folder / name).symlink_to(REPOSITORY / name)
        own = {"PORT": str(free_port()), "BUNBASE_URL": server.url, "ITEMS": str(ITEMS)}
        self.environment = server.environment() | own
        blocks = BLOCKS.findall((source / "README.md").read_text("utf-8"))
        self.commands = [line for block in blocks for line in block.splitlines()]
        self.enter = self.commands[1].rpartition(" && ")[0]

    def run(self, *commands: str) -> str:
        """Run commands in one shell. Return their output. If a command fails, the test fails with the whole output."""
        done = subprocess.run(
            [*SHELL, "\n".join(commands)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.complaints = done.stderr
        return done.stdout

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run the worker, and end it in the same way as a service manager."""
        command = f"{self.enter}; exec {self.commands[3]}"
        with subprocess.Popen(
            [*SHELL, command], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            try:
                assert running.stdout.readline().startswith("Webhooks: "), "the worker ended"
                yield
            finally:
                running.send_signal(signal.SIGTERM)
                assert running.wait(STOP_SECONDS) == 0


@pytest.fixture(scope="module")
def server() -> Iterator[Instance]:
    with dev_instance() as instance:
        instance.commands["dev"][1]["BUNBASE_BUNDOC__MAX_SCAN"] = str(BUDGET)
        yield instance.start()


@pytest.fixture(scope="module")
def notes(server: Instance) -> Clone:
    return Clone(server, "notes-python")


@pytest.fixture(scope="module")
def household(server: Instance) -> Clone:
    """Follow the README up to the first report."""
    clone = Clone(server, "household")
    assert clone.commands[:1] == ["make run"]
    clone.run(*clone.commands[1:3])
    assert "list rule" not in clone.complaints  # A deployment warns about rules for which no index exists.
    assert f"{ITEMS + 20 * 50} items imported, 0 skipped, 0 failed" in clone.run(clone.enter, clone.commands[3])
    return clone


class Person:
    """A user of the household example, as their own app would act for them."""

    def __init__(self, household: Clone, email: str) -> None:
        lines = (household.example / ".env").read_text("utf-8").splitlines()
        self.settings = dict(line.split("=", 1) for line in lines)
        self.key = {"X-Bunbase-Key": self.settings["BUNBASE_KEY"]}
        signed_in = self.send("POST", "auth/login", {"email": email, "password": "apples and pears"})
        self.key["Authorization"] = f"Bearer {signed_in['access_token']}"

    def send(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.settings['BUNBASE_URL']}/v1/{path}"
        answer = httpx.request(method, url, json=body, headers=self.key, timeout=30).raise_for_status()
        return answer.json() if answer.content else None

    def count(self, collection: str, **where: Any) -> int:
        count: int = self.send("POST", f"data/{collection}/query", {"where": where, "limit": 1, "count": True})["count"]
        return count


def test_a_worker_counts_the_words_of_all_notes_also_of_those_written_while_it_was_away(notes: Clone) -> None:
    assert len(notes.commands) == 5
    notes.run(*notes.commands[1:3])
    found = account_in(notes.example / "account.json")

    with Client(found.url, found.key) as client:
        summaries = client.data.collection("summaries")
        with notes.worker():
            notes.run(notes.commands[4])
            assert poll(lambda: [one["words"] for one in summaries.all()]) == [4]
        client.data.collection("notes").put("late", {"text": "one two"})
        with notes.worker():
            assert poll(lambda: summaries.find("late"))["words"] == 2
        assert summaries.count() == 2
    assert os.stat(notes.example / "account.json").st_mode & 0o077 == 0


def test_a_member_lists_searches_and_sums_more_items_than_a_list_may_read(household: Clone) -> None:
    report = household.run(household.enter, household.commands[4])

    with Client(*server_of(household)) as client:
        items = list(client.data.collection("items").all(HOME, limit=500))
    sums: dict[tuple[str, str], list[int]] = defaultdict(list)
    for item in items:
        paid_at = datetime.fromisoformat(item["paid_at"]).astimezone(ZoneInfo("Europe/Berlin"))
        sums[f"{paid_at:%Y-%m}", item["category"]].append(item["cents"])
    milk = sum("milk" in item["title"] for item in items)
    newest = max(items, key=lambda item: str(item["paid_at"]))["title"]
    assert f"home: {len(items)} items, the newest: {newest}, " in household.complaints
    assert f'; {milk} with "milk"' in household.complaints
    assert (len(items), len(sums)) == (ITEMS, 64)
    assert [list(row.values()) for row in csv.DictReader(report.splitlines())] == [
        ["home", month, category, f"{sum(cents) / 100:.2f}", str(len(cents))]
        for (month, category), cents in sorted(sums.items())
    ]


def test_a_person_in_no_household_sees_nothing(household: Clone) -> None:
    bob = Person(household, BOB)

    assert [Person(household, email).count("items", **HOME) for email in (ADA, EVE, BOB)] == [ITEMS, 0, 0]
    assert [bob.count(collection) for collection in ("households", "members", "items", "activity")] == [0, 0, 0, 0]
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        bob.send("GET", "data/items/home-1")
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        bob.send("POST", "functions/invite", HOME | {"email": BOB})


def test_an_invited_person_gets_the_same_report_and_a_deleted_item_is_in_the_activity_with_its_title(
    household: Clone,
) -> None:
    ada = Person(household, ADA)
    test, invite, report, delete, activity = household.commands[5:]

    tested, *reports = household.run(household.enter, test, household.commands[4], invite, report).split(HEADER)
    ada.send("PATCH", "data/items/home-7", {"cents": 1})
    household.run(household.enter, delete)
    poll(lambda: ada.count("activity", **HOME) == 2)

    assert "26 of 26 cases passed" in tested
    assert reports[0].partition("{")[0] == reports[1]
    listed = [msgspec.json.decode(line) for line in household.run(household.enter, activity).splitlines()]
    found = {one["op"]: (one["item"], one["title"], one["cents"]) for one in listed}
    assert found == {"update": ("home-7", "Oat milk", 359), "delete": ("home-0", "Oat milk", 100)}


def test_every_condition_of_the_rules_is_tested_and_no_list_rule_has_a_warning(household: Clone) -> None:
    tested = household.server.bunbase_json("rules", "test", "--min-coverage", "100", cwd=household.example)

    assert (tested["failed"], tested["warnings"]) == (0, [])
    household.server.bunbase("gen", "types", "--lang", "ts", "--out", "database.ts", "--check", cwd=household.example)


def server_of(household: Clone) -> tuple[str, str]:
    settings = Person(household, ADA).settings
    return settings["BUNBASE_URL"], settings["BUNBASE_SECRET_KEY"]
