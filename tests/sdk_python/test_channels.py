"""Channels of both faces, on a real server, and `bunbase channels`."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bunbase_sdk import Problem
from tests.sdk_python.site import Site

SECONDS = 30.0


@pytest.fixture(autouse=True)
def rooms(client: Any) -> None:
    client.channels.put({"rooms/{room}": {"presence": True, "history": {"messages": 10, "seconds": 300}}})


def test_a_channel_yields_each_message_once_and_in_order(client: Any) -> None:
    def publish(*data: object) -> None:
        client.channels.publish([{"channel": "rooms/py", "data": one} for one in data])

    seen = []
    publish("before")
    for message in client.channels.listen("rooms/py", since="start", stop_after=SECONDS):
        seen.append((message.data, message.lost))
        match message.data:
            case "before":
                publish("one", "two")
            case "two":
                break

    assert seen == [("before", False), ("one", False), ("two", False)]
    (last,) = [one.data for one in client.channels.listen("rooms/py", since="start", stop_after=1)][-1:]
    assert last == "two"


def test_lost_messages_are_told_with_the_next_message(client: Any) -> None:
    room = f"rooms/{secrets.token_hex(4)}"  # Each run uses a new channel, because both faces use the same server.
    old = {"epoch": "forgotten", "offset": 7}  # This position is unknown to the server, as after a restart.

    assert [*client.channels.listen(room, since=old, stop_after=1)] == []
    client.channels.publish([{"channel": room, "data": {"text": "hello"}}])
    (heard,) = client.channels.listen(room, since=old, stop_after=1)

    assert (heard.lost, heard.data) == (True, {"text": "hello"})


def test_members_are_told_when_they_enter_and_leave(client: Any, site: Site, tmp_path: Path) -> None:
    program = (
        "import sys; from bunbase_sdk import Client\n"
        "for _ in Client(*sys.argv[1:]).channels.members('rooms/who', presence='other'): print(flush=True)"
    )
    seen = []
    with ExitStack() as others:
        for members in client.channels.members("rooms/who", presence="me", stop_after=SECONDS):
            seen.append(sorted(member.data for member in members.items))
            assert members.count == len(members.items)
            match len(seen):
                case 1:
                    words = [sys.executable, "-c", program, site.url, site.secret]
                    other = others.enter_context(subprocess.Popen(words, stdout=subprocess.DEVNULL))
                    others.callback(other.kill)
                case 2:
                    other.kill()
                case _:
                    break

    assert seen == [["me"], ["me", "other"], ["me"]]


def test_a_presence_changes_while_the_loop_runs(client: Any) -> None:
    room, seen = f"rooms/{secrets.token_hex(4)}", []
    values: list[object] = [{"busy": True}, None, {"busy": "again"}]
    for members in client.channels.members(room, presence={"busy": False}, stop_after=SECONDS):
        seen.append([member.data for member in members.items])
        if not values:
            break
        client.channels.set_presence(room, values.pop(0))

    assert seen == [[{"busy": False}], [{"busy": True}], [], [{"busy": "again"}]]
    with pytest.raises(Problem) as left:
        client.channels.set_presence(room, 1)
    assert left.value.code == "not_joined"


def test_a_presence_that_the_server_refuses_ends_the_loop_and_one_that_cannot_be_sent_changes_nothing(
    client: Any,
) -> None:
    room = f"rooms/{secrets.token_hex(4)}"
    loop = iter(client.channels.members(room, presence=1, stop_after=SECONDS))
    assert [member.data for member in next(loop).items] == [1]
    with pytest.raises(Problem, match="JSON has no nan"):
        client.channels.set_presence(room, float("nan"))
    client.channels.set_presence(room, "x" * 3000)
    with pytest.raises(Problem) as refused:
        next(loop)

    assert refused.value.code == "message_too_large"


@contextmanager
def command(site: Site, home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    own = {"BUNBASE_URL": site.url, "BUNBASE_TOKEN": site.token, "BUNBASE_PROJECT": site.project, "HOME": str(home)}
    program = [str(Path(sys.executable).with_name("bunbase")), "channels", *arguments]
    pipe, env = subprocess.PIPE, os.environ | own
    with subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True, env=env, cwd=home) as running:
        try:
            yield running
        finally:
            running.terminate()


def test_the_commands_publish_a_message_and_show_those_of_a_channel(client: Any, site: Site, tmp_path: Path) -> None:
    client.channels.publish([{"channel": "rooms/cli", "data": "first"}])

    with command(site, tmp_path, "tail", "rooms/cli", "--since", "start", "--json") as tail:
        assert tail.stdout is not None
        first = json.loads(tail.stdout.readline())
        with command(site, tmp_path, "publish", "rooms/cli", '{"text":"hello"}') as published:
            assert published.wait(SECONDS) == 0
        second = json.loads(tail.stdout.readline())

    assert [one["data"] for one in (first, second)] == ["first", {"text": "hello"}]
    assert [one["lost"] for one in (first, second)] == [False, False]
    assert second["offset"] == first["offset"] + 1


def test_the_command_tells_of_a_channel_that_no_pattern_matches(site: Site, tmp_path: Path) -> None:
    with command(site, tmp_path, "tail", "roms/7", "--json") as tail:
        assert tail.stderr is not None
        told = tail.stderr.readline()

    assert "No pattern of a channel matches roms/7" in told
    assert "rooms/{room}" in told
