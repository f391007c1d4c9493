"""Commands that follow a server: their messages about an outage, and their end."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bunbase.cli.errors import Unreachable
from bunbase.cli.flags import SERVER_FLAGS
from bunbase.cli.logs import follow_lines
from bunbase.cli.outage import MAX_SECONDS, Outage
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi


class Clock:
    """A clock that moves only while a command pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.on_pause: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
        self.on_pause()

    def outage(self, url: str, warn: Callable[[str], None]) -> Outage:
        return Outage(url, warn, clock=lambda: self.now, pause=self.pause)


class Told(Output):
    """An output that collects warnings."""

    def __init__(self) -> None:
        super().__init__(json=True)
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


def followed(clock: Clock, after: int, lines: int) -> tuple[list[str], list[str]]:
    """Follow a log for a number of lines; return the texts of the lines, and the messages to the user."""
    out = Told()
    path = "/api/projects/prj_1/functions/hello/logs"
    with open_session(SERVER_FLAGS) as session:
        following = follow_lines(session, path, after, out, outage=clock.outage(session.url, out.warn))
        return [next(following).text for _ in range(lines)], out.said


def test_following_logs_reconnects_and_shows_each_line_once(in_project: FakeApi) -> None:
    in_project.say("0", "1", "2", "3", "4")
    in_project.busy = 1
    clock = Clock()

    seen, said = followed(clock, 1, 4)

    assert seen == ["1", "2", "3", "4"]
    assert in_project.follows == [0, 1, 2, 3]  # After a cut, the last line is read again.
    assert re.fullmatch(r"The connection was cut at \d\d:\d\d:\d\d: http\S+ answered 502\. Trying again\.", said[0])
    assert said[1] == "Connected again after 0 s."
    assert len(clock.pauses) == 4
    assert not any("missing" in one for one in said)


def test_following_logs_tells_how_many_lines_were_deleted_during_a_cut_at_most(in_project: FakeApi) -> None:
    in_project.say("0", "1", "2", "3", "4", "5", "6")
    clock = Clock()
    clock.on_pause = lambda: in_project.delete_lines(4)

    seen, said = followed(clock, 1, 3)

    assert seen == ["1", "2", "4"]
    assert said[2:] == ["Lines are missing here, 1 at most: the server deletes the oldest lines, and did so meanwhile."]


def test_following_logs_ends_after_five_minutes_without_the_server(in_project: FakeApi) -> None:
    in_project.say("one")
    in_project.busy = 1000
    clock = Clock()

    with pytest.raises(Unreachable, match="has been away for 5 minutes; this command has ended") as caught:
        followed(clock, 0, 1)

    assert caught.value.exit_code == 4
    assert clock.now == 300
    assert max(clock.pauses) == 10


def test_an_outage_is_told_once_and_its_time_begins_anew_with_each_one() -> None:
    clock, said = Clock(), list[str]()
    outage = clock.outage("http://here", said.append)

    for _ in range(2):
        for _ in range(30):
            outage.wait("Nobody answers.")
        outage.end()
        outage.end()
        outage.note_progress()

    assert clock.now > MAX_SECONDS
    assert [one.partition(" at ")[0] for one in said] == ["The connection was cut", "Connected again after 266 s."] * 2


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_command_that_follows_ends_with_exit_code_4_under_a_pipe_and_in_ci(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    in_project.say("one", "two")
    in_project.busy = 1000
    clock = Clock()
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr("bunbase.cli.logs.Outage", clock.outage)

    said = bunbase("logs", "hello", "-f", *flags)

    assert said.code == 4
    assert len(said.out.splitlines()) == 2
    first, *_, last = said.err.splitlines()
    assert first.startswith("The connection was cut at ")
    assert "has been away for 5 minutes" in last
