"""The front door stands on insides of uvicorn that may change with any release."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bunbase.pkg.http1.exchange import GuardedTransport

RELIED_ON = (
    *("cycle", "pipeline", "flow", "tasks", "transport", "parser", "url", "headers", "client", "server", "scheme"),
    *("server_state", "app_state", "root_path", "asgi_version", "access_log", "access_logger", "logger"),
    *("connection_made", "connection_lost", "data_received", "send_400_response", "on_message_begin", "on_header"),
    *("on_headers_complete", "on_body", "on_message_complete", "on_response_complete", "shutdown", "_start_asgi_task"),
    "self.parser.set_dangerous_leniencies(lenient_data_after_close=True)",
)
OF_A_CYCLE = (
    *("body", "more_body", "disconnected", "keep_alive", "response_started", "response_complete"),
    *("waiting_for_100_continue", "message_event", "scope", "run_asgi", "receive", "send", "on_response"),
)

RECHECK = """\
uvicorn or httptools has changed. Read uvicorn/protocols/http/httptools_impl.py against pkg/http1/protocol.py,
exchange.py and gateway/fast_lane.py: how on_headers_complete builds a cycle and queues behind an unfinished one; what
connection_lost and shutdown do with it; who closes the transport, and when; that nothing but on_response_complete set
the keep-alive timer; that on_url, on_header and on_body come as before. Run tests/pkg/http1 and tests/gateway, then
change the numbers here."""


def test_the_versions_are_those_that_were_read() -> None:
    assert (version("uvicorn"), version("httptools")) == ("0.53.0", "0.8.0"), RECHECK


def test_uvicorn_has_all_members_that_the_lane_uses() -> None:
    source = inspect.getsource(HttpToolsProtocol)

    assert [name for name in RELIED_ON if name not in source] == [], RECHECK
    cycle = inspect.getsource(RequestResponseCycle)
    assert [name for name in OF_A_CYCLE if name not in cycle] == [], RECHECK
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


def test_a_cycle_asks_no_more_of_its_transport_than_ends_have() -> None:
    asked = set(re.findall(r"self\.transport\.(\w+)", inspect.getsource(RequestResponseCycle)))

    assert asked == {"write", "close", "is_closing"}, RECHECK
    assert all(hasattr(GuardedTransport, name) for name in asked)
