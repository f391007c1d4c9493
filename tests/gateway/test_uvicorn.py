"""The fast lane stands on insides of uvicorn that may change with any release."""

from __future__ import annotations

import inspect
from importlib.metadata import version

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

RELIED_ON = (
    *("cycle", "pipeline", "flow", "tasks", "transport", "parser", "url", "headers", "expect_100_continue", "client"),
    *("server_state", "timeout_keep_alive", "connection_made", "connection_lost", "data_received"),
    *("send_400_response", "on_message_begin", "on_headers_complete", "on_body", "on_message_complete"),
    *("on_response_complete", "shutdown"),
)

RECHECK = """\
uvicorn or httptools has changed. Read uvicorn/protocols/http/httptools_impl.py against gateway/fast_lane.py:
how on_headers_complete queues behind an unfinished `cycle`; what connection_lost and shutdown do with it; who sets the
keep-alive timer; that on_url, on_header and on_body come as before. Run tests/gateway, then change the numbers here."""


def test_the_versions_are_those_that_were_read() -> None:
    assert (version("uvicorn"), version("httptools")) == ("0.53.0", "0.8.0"), RECHECK


def test_what_the_lane_relies_on_is_there() -> None:
    source = inspect.getsource(HttpToolsProtocol)

    assert [name for name in RELIED_ON if name not in source] == [], RECHECK
    assert {"read_paused", "write_paused"} <= set(FlowControl.__init__.__code__.co_names), RECHECK


def test_uvicorn_asks_no_more_of_a_cycle_than_a_turn_has() -> None:
    asked = set()
    for name in ("connection_lost", "shutdown", "on_headers_complete", "on_response_complete"):
        code = inspect.getsource(getattr(HttpToolsProtocol, name))
        asked |= {part.split("(")[0].split()[0].rstrip(":.)") for part in code.split("cycle.")[1:]}

    assert {name.split(".")[0] for name in asked} <= {
        "response_complete",
        "disconnected",
        "message_event",
        "keep_alive",
    }, RECHECK
