from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from bunbase.pkg.log_lines import Line, _out
from bunbase.pkg.logger import configure_logging, logger
from tests.pkg.waiting import eventually

FIELDS = {"status": 200, "caller": "secret usr_1", "project": "prj_a"}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    _out.flush()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("human", [True, False])
def test_a_fast_log_line_equals_the_line_of_structlog(capsys: pytest.CaptureFixture[str], human: bool) -> None:
    configure_logging(human=human)

    Line("gateway", "GET /v1/data/{collection}", FIELDS).write(0.12, "req_1")
    _out.flush()
    logger("gateway").info("GET /v1/data/{collection}", **FIELDS, duration_ms=0.12, request_id="req_1")

    ours, theirs = [line.rstrip() for line in capsys.readouterr().err.splitlines()]
    if human:
        assert re.sub(r"^[\d:]+", "", ours) == re.sub(r"^[\d:]+", "", theirs)
    else:
        mine, other = json.loads(ours), json.loads(theirs)
        assert len(mine.pop("timestamp")) == len(other.pop("timestamp"))
        assert mine == other


def test_a_fast_log_line_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=False, level="warning")

    Line("gateway", "a request", FIELDS).write(0.12, "req_1")
    _out.flush()

    assert capsys.readouterr().err == ""


def test_a_value_with_a_line_break_cannot_start_a_new_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    for human in (True, False):
        configure_logging(human=human)
        Line("gateway", "a request", {"caller": "secret a\n12:00:00 [info] all is well\u2028"}).write(0.12, "req_1")
        _out.flush()

        assert capsys.readouterr().err.count("\n") == 1


async def test_log_lines_are_buffered_and_written_together(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=False)
    written: list[str] = []

    for number in range(3):
        Line("gateway", f"request {number}", {}).write(0.12, "req_1")
    assert capsys.readouterr().err == ""

    def all_written() -> bool:
        written.extend(capsys.readouterr().err.splitlines())
        return len(written) == 3

    await eventually(all_written)


async def test_a_full_buffer_of_log_lines_is_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=False)
    for _ in range(2000):
        Line("gateway", "a request", {}).write(0.12, "req_1")

    assert len(capsys.readouterr().err.splitlines()) == 2000
