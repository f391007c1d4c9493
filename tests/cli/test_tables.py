"""No table breaks a word, at any width; states have a colour where there is a terminal."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from bunbase.cli.deploying import Outcome
from bunbase.cli.tables import STATES, table
from bunbase.contracts.bundoc.backups import Authenticity, JobState
from bunbase.contracts.functions.triggers import JobStatus, NewJob, RunOutcome
from bunbase.house.doctor import Health
from tests.cli.conftest import in_terminal
from tests.cli.fake_api import FakeApi

ID = "job_01K9ZZ8Q3V5T7X1Y2W4A6B8C0D"
COLOUR = re.compile(r"\x1b\[3[0-9]m")

words = st.text("abcdefghij_0123456789", min_size=1, max_size=40)
sentences = st.lists(words, min_size=1, max_size=8).map(" ".join)


def drawn(columns: list[str], rows: list[list[object]], width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(table(columns, rows, width).drawing, soft_wrap=True)
    return file.getvalue()


@given(
    rows=st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(sentences, min_size=n, max_size=n), max_size=4)),
    width=st.integers(20, 200),
)
def test_every_word_of_a_table_stands_on_one_line(rows: list[list[object]], width: int) -> None:
    columns = [f"c{at}" for at in range(len(rows[0]) if rows else 2)]

    lines = drawn(columns, rows, width).splitlines()

    assert {word for row in rows for text in row for word in str(text).split()} <= {
        word for line in lines for word in line.split()
    }


def test_a_table_that_fits_is_one_line_a_row_and_a_time_is_never_broken() -> None:
    text = drawn(["id", "due", "error"], [[ID, datetime(2026, 1, 1, tzinfo=UTC), "it " * 30]], 80)

    assert max(map(len, text.splitlines())) <= 80
    assert re.search(rf"{ID} +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", text)


AT = datetime(2026, 1, 1, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
SESSION = f"ses_{ID[4:]}"
SESSIONS = (
    ["id", "current", "application", "address", "device", "signed in", "last refresh", "ends"],
    [[SESSION, "this one", "Sign-in page", "203.0.113.129", BROWSER, AT, AT, AT]],
    SESSION,
)
ACTS = (
    ["when", "who", "what", "target", "changed to", "outcome", "from", "in"],
    [
        [AT, "ada@example.com", "account.reset_factors", f"bob@example.com (usr_{ID[4:]})", BROWSER, "done", "::1", ID],
        [AT, "ada@example.com", "invite.accept", f"prj_{ID[4:]}", "role: viewer", "done", "203.0.113.129", ID],
    ],
    "account.reset_factors",
)


@pytest.mark.parametrize("width", [100, 120, 150])
@pytest.mark.parametrize("listed", [SESSIONS, ACTS], ids=["sessions", "acts"])
def test_a_long_list_is_one_line_a_row_at_the_usual_widths(
    listed: tuple[list[str], list[list[object]], str], width: int
) -> None:
    columns, rows, needed = listed

    lines = [line for line in drawn(columns, rows, width).splitlines() if line.strip()]

    assert len(lines) <= 2 + 6 * len(rows), "a long text may go on below itself"
    assert max(map(len, lines)) <= width
    assert needed in " ".join(lines)
    assert lines[0].split()[0] == columns[0], "it is a table, and no block for each row"


def test_the_columns_that_do_not_fit_are_named_and_blocks_leave_none_out() -> None:
    columns, rows, _ = SESSIONS

    assert table(columns, rows, 300).left_out == ()
    assert "ends" in table(columns, rows, 100).left_out
    assert table(columns, rows, 40).left_out == ()
    assert all(str(value) in drawn(columns, rows, 40) for value in rows[0][:5])


def test_the_lines_of_a_value_stand_below_each_other_at_any_width() -> None:
    value = Text("0 9 * * *\nposts (create)", no_wrap=True)

    for width in (24, 80):
        first, second = (
            line
            for line in drawn(["name", "triggers"], [["mail", value]], width).splitlines()
            if "*" in line or "(" in line
        )
        assert first.index("0 9 * * *") == second.index("posts (create)")


def test_the_ids_of_a_list_can_be_copied_from_a_terminal_of_80_columns(in_project: FakeApi) -> None:
    job = in_project.add_job(NewJob("a-function-with-a-rather-long-name-indeed"), JobStatus.DEAD)
    in_project.jobs[ID] = msgspec.structs.replace(job, id=ID, error="function_timeout")

    said = in_terminal("jobs", "list")

    assert ID in said
    assert "a-function-with-a-rather-long-name-indeed" in said
    assert "function_timeout" in said


def test_states_have_a_colour_only_in_a_terminal_that_wants_colour(in_project: FakeApi) -> None:
    in_project.add_job(NewJob("mail"), JobStatus.DEAD)

    assert "\x1b[31mdead" in in_terminal("jobs", "list")
    assert COLOUR.search(in_terminal("jobs", "list", NO_COLOR="1")) is None
    assert "\x1b" not in in_terminal("jobs", "list", TERM="dumb")


@pytest.mark.parametrize("kind", [JobStatus, RunOutcome, Outcome, JobState, Authenticity, Health])
def test_every_state_that_can_be_good_or_bad_has_a_colour(kind: type[StrEnum]) -> None:
    assert [one for one in kind if one.value not in STATES] in ([], [Outcome.UNCHANGED])
