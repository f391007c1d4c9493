"""The gateway uses internals of uvicorn, which may change in any release; these tests notice a change."""

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
uvicorn or httptools has changed. Compare uvicorn/protocols/http/httptools_impl.py with pkg/http1/protocol.py,
exchange.py and gateway/fast_lane.py. Check how on_headers_complete builds a cycle and queues it behind an unfinished
one, and how connection_lost and shutdown treat that cycle. Check which code closes the transport, and when. Check that
only on_response_complete sets the keep-alive timer, and that on_url, on_header and on_body are called as before. Run
tests/pkg/http1 and tests/gateway, then change the numbers here."""


def test_the_versions_of_uvicorn_and_httptools_are_the_reviewed_ones() -> None:
    assert (version("uvicorn"), version("httptools")) == ("0.53.0", "0.8.0"), RECHECK


def test_uvicorn_still_has_every_member_that_the_lane_uses() -> None:
    source = inspect.getsource(HttpToolsProtocol)

    assert [name for name in RELIED_ON if name not in source] == [], RECHECK
    cycle = inspect.getsource(RequestResponseCycle)
    assert [name for name in OF_A_CYCLE if name not in cycle] == [], RECHECK
    assert {"read_paused", "write_paused"} <= set(FlowControl.__init__.__code__.co_names), RECHECK


def test_uvicorn_uses_only_members_of_a_cycle_that_our_class_turn_has() -> None:
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


def test_uvicorn_uses_only_members_of_a_transport_that_our_transport_has() -> None:
    asked = set(re.findall(r"self\.transport\.(\w+)", inspect.getsource(RequestResponseCycle)))

    assert asked == {"write", "close", "is_closing"}, RECHECK
    assert all(hasattr(GuardedTransport, name) for name in asked)
