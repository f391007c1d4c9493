"""`bunbase mcp`: its command line, the protocol, and hostile or unlucky callers. The tools are tested in tests/e2e."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from bunbase.cli.errors import Failure
from bunbase.cli.mcp.answers import MAX_CONTENT_BYTES, names_of, number_that_fits, size_of, without_largest
from bunbase.cli.mcp.schemas import schema_of
from bunbase.cli.mcp.tool import MAX_FAILURE_BYTES, Effect, Permission, Tool, failure_text
from bunbase.cli.mcp.tools import TOOLS, offered
from tests.cli.conftest import EXECUTABLE, Bunbase
from tests.cli.fake_api import FakeApi

AWAY = {"BUNBASE_URL": "http://127.0.0.1:1", "BUNBASE_TOKEN": "bpt_1"}  # Nobody listens on this port.
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
PING = {"jsonrpc": "2.0", "id": 4, "method": "ping"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "Choose a project"),
        (("--allow-write", "data"), 2, "--allow-write needs the project on the command line"),
        (("--project", "shop", "--allow-write", "all"), 2, "takes data, deploy or data,deploy, not 'all'"),
        (("--project", "shop", "--allow-write", "data,,deploy"), 2, "takes data, deploy or data,deploy"),
    ],
)
def test_a_wrong_command_line_is_refused(
    signed_in: FakeApi, bunbase: Bunbase, words: tuple[str, ...], code: int, told: str
) -> None:
    said = bunbase("mcp", *words)

    assert (said.code, said.out) == (code, "")
    assert told in said.err


def test_a_project_chosen_elsewhere_is_enough_to_read_but_not_to_write(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_PROJECT", "shop")

    said = bunbase("mcp", "--allow-write", "deploy")

    assert (said.code, "needs the project on the command line" in said.err) == (2, True)


def test_a_caller_without_a_session_is_told_to_sign_in(api: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("mcp", "--project", "shop")

    assert (said.code, said.out) == (3, "")
    assert "bunbase login --url" in said.err


def test_the_command_names_the_package_that_is_missing(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bunbase.cli.mcp.server", None)

    said = bunbase("mcp")

    assert (said.code, said.out) == (1, "")
    assert f"{sys.executable} -m pip install 'mcp==" in said.err


def test_a_wrong_token_or_project_ends_the_command_at_its_start(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = bunbase("mcp", "--project", "nowhere", "--json")
    monkeypatch.setenv("BUNBASE_TOKEN", "bpt_wrong")
    refused = bunbase("mcp", "--project", "guestbook")

    assert (unknown.code, unknown.problem["code"]) == (1, "project_not_found")
    assert (refused.code, "The token from BUNBASE_TOKEN is not valid" in refused.err) == (3, True)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_schemas_of_a_tool_are_whole_and_valid(tool: Tool) -> None:
    for kind in (tool.arguments, tool.answer):
        schema = schema_of(kind)

        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})
        assert schema["type"] == "object"
        assert "$ref" not in json.dumps(schema)
    assert schema_of(tool.arguments)["additionalProperties"] is False


def test_a_tool_that_changes_something_is_offered_only_with_its_permission() -> None:
    assert all(tool.effect is Effect.READS for tool in offered(()).values())
    assert all(tool.permission is not None for tool in TOOLS if tool.effect is not Effect.READS)
    for permission in Permission:
        assert {tool.permission for tool in offered([permission]).values()} == {None, permission}
    assert len(offered(list(Permission))) == len(TOOLS)


def test_content_is_cut_to_the_budget_and_keeps_system_fields() -> None:
    items = [{"text": "é" * 100}] * 1000
    large = {"_id": "a" * 50, "small": 1, "text": "x" * 40_000, "list": [1] * 30_000, "n" * 200: "y" * 40_000}

    number = number_that_fits(items)
    kept, left_out = without_largest(large)

    assert number == MAX_CONTENT_BYTES // (size_of(items[0]) + 1)
    assert (kept, left_out) == ({"_id": "a" * 50, "small": 1}, ("list", "n" * 100, "text"))
    assert names_of(["a"] * 22) == f"{', '.join(['a'] * 20)} and 2 more"


def test_a_long_failure_is_shortened() -> None:
    text = failure_text(Failure("invalid_document", "é" * 10_000))

    assert len(text.encode()) < 2 * MAX_FAILURE_BYTES
    assert json.loads(text)["detail"].endswith("é… (shortened)")


def test_hostile_calls_and_a_server_that_is_away_are_answered_with_errors_of_the_tool(home: Path) -> None:
    nested: Any = {}
    for _ in range(150):
        nested = {"a": nested}
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "away": ("list_collections", {}),
        "wrong types": ("query_documents", {"collection": 7, "limit": "many"}),
        "too many": ("query_documents", {"collection": "posts", "limit": 1_000_000}),
        "missing": ("get_document", {}),
        "unknown argument": ("list_functions", {"project": "other"}),
        "path": ("get_document", {"collection": "posts", "id": ".."}),
        "deep": ("query_documents", {"collection": "posts", "where": nested}),
        "huge": ("query_documents", {"collection": "posts", "where": {"a": "x" * 4_000_000}}),
        "time": ("read_logs", {"since": "yesterday"}),
        "not allowed": ("delete_document", {"collection": "posts", "id": "a"}),
    }

    async def ask() -> dict[str, Any]:
        server = StdioServerParameters(
            command=str(EXECUTABLE), args=["mcp", "--project", "shop"], env=AWAY | {"HOME": str(home)}
        )
        async with Client(stdio_client(server)) as client:
            return {name: await _outcome(client, *call) for name, call in calls.items()}

    outcomes = asyncio.run(ask())

    assert outcomes.pop("not allowed") == "There is no tool 'delete_document': see tools/list."
    assert "Start one with: bunbase dev" in outcomes["away"]["detail"]
    assert {name: problem["code"] for name, problem in outcomes.items()} == {
        "away": "unreachable",
        "wrong types": "invalid_arguments",
        "too many": "invalid_arguments",
        "missing": "invalid_arguments",
        "unknown argument": "invalid_arguments",
        "path": "invalid_arguments",
        "deep": "unreachable",
        "huge": "unreachable",
        "time": "invalid_arguments",
    }


async def _outcome(client: Client, name: str, arguments: dict[str, Any]) -> Any:
    try:
        result = await client.call_tool(name, arguments)
    except MCPError as error:
        return error.error.message
    assert isinstance(result, CallToolResult)
    assert result.is_error
    text = result.content[0]
    assert text.type == "text"
    assert "Traceback" not in text.text
    return json.loads(text.text)


@contextmanager
def process(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a running `bunbase mcp` after the handshake."""
    environment = AWAY | {"HOME": str(home), "PATH": os.environ["PATH"]}
    pipe = subprocess.PIPE
    command = [str(EXECUTABLE), "mcp", "--project", "shop"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as running:
        try:
            assert _asked(running, HELLO)["result"]["serverInfo"]["name"] == "bunbase"
            yield running
        finally:
            running.kill()


def _asked(running: subprocess.Popen[str], message: Any) -> Any:
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
    running.stdin.flush()
    return json.loads(running.stdout.readline())


def _call(arguments: str) -> str:
    params = f'{{"name": "query_documents", "arguments": {{"collection": "posts", "where": {arguments}}}}}'
    return f'{{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {params}}}'


def test_stdout_has_only_the_protocol_and_the_end_of_stdin_ends_the_command(home: Path) -> None:
    with process(home) as running:
        unknown = _asked(running, {"jsonrpc": "2.0", "id": 3, "method": "unknown/method"})
        not_a_number = _asked(running, _call('{"a": NaN}'))
        # The library ignores input that is not JSON in UTF-8, such as half of a character, and continues.
        ping = _asked(running, "\n".join(("this is not JSON", "[]", _call('{"a": "\\ud800"}'), json.dumps(PING))))
        out, err = running.communicate(timeout=30)

    assert unknown["error"]["code"] == -32601
    assert json.loads(not_a_number["result"]["content"][0]["text"])["code"] == "invalid_arguments"
    assert (ping["id"], ping["result"]) == (PING["id"], {})
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in out.splitlines())
    assert running.returncode == 0, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_while_it_waits_for_the_client(home: Path, number: signal.Signals, code: int) -> None:
    with process(home) as running:
        running.send_signal(number)

        assert running.wait(30) == code
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()
