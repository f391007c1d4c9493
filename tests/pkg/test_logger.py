from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bunbase.pkg import context
from bunbase.pkg.logger import REDACTED, configure_logging, logger, redact


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_in_production_each_log_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=False)

    logger("bundoc").info("it is done", count=3)
    logging.getLogger("a.library").warning("beware of %s", "this")

    own, foreign = lines(capsys)
    assert (own["event"], own["room"], own["level"], own["count"]) == ("it is done", "bundoc", "info", 3)
    assert str(own["timestamp"]).endswith("Z")
    assert (foreign["event"], foreign["level"]) == ("beware of this", "warning")


def test_every_log_line_of_a_request_has_its_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=False)

    token = context.request_id.set("req_1")
    try:
        logger("bundoc").info("within")
    finally:
        context.request_id.reset(token)
    logger("bundoc").info("without")

    within, without = lines(capsys)
    assert within["request_id"] == "req_1"
    assert "request_id" not in without


def test_a_message_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=False, level="warning")

    logger("bundoc").info("a detail")
    logging.getLogger("httpx").info("a detail")

    assert lines(capsys) == []


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "refresh_token", "Authorization", "cookie", "client_secret", "api_key", "master_key"],
)
def test_fields_with_the_name_of_a_secret_are_redacted_at_any_depth(name: str) -> None:
    event = {name: "hunter2", "request": {"headers": [{name: ["hunter2"]}, {name: {"deep": "hunter2"}}]}, "count": 1}

    redacted = redact(None, "", event)

    assert "hunter2" not in str(redacted)
    assert redacted["count"] == 1
    assert redacted["request"] == {"headers": [{name: REDACTED}, {name: REDACTED}]}


def test_numbers_and_none_are_not_redacted() -> None:
    assert redact(None, "", {"tokens": 3, "password": None}) == {"tokens": 3, "password": None}


@pytest.mark.parametrize("human", [True, False])
def test_a_traceback_shows_functions_but_no_local_variables(human: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=human)

    def sign_in(password: str) -> None:
        raise RuntimeError("it went wrong")

    try:
        sign_in("hun" + "ter2")
    except RuntimeError:
        logger("bunauth").exception("a call failed")

    written = capsys.readouterr().err
    assert "hunter2" not in written
    assert "RuntimeError" in written
    assert "sign_in" in written
    if not human:
        assert len(written.splitlines()) == 1


def test_in_dev_mode_log_lines_are_readable_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(human=True)

    logger("house").info("ready", password="hunter2", rooms=3)

    written = capsys.readouterr().err
    assert "ready" in written
    assert "rooms=3" in written
    assert "hunter2" not in written
