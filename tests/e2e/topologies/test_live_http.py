"""Live connections over server-sent events and long polling, with all rooms in one process and in five."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.e2e.instance import Instance, poll
from tests.e2e.live.wire import listed
from tests.e2e.topologies.test_live import Project, project

__all__ = ("project",)
WATCH: dict[str, Any] = {"t": "watch", "id": 1, "query": {"collection": "posts", "where": {"topic": "http"}}}
EVENTS = {"Accept": "text/event-stream"}
SEPARATORS = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\rj\nk\r\nl"


class Stream:
    """An answer with events. `said`: its lines that are not messages."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = answer.iter_lines()
        self.waiting: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.name = ""

    def expect(self, kind: str) -> dict[str, Any]:
        pings = 0
        while pings < 2:
            while self.waiting:
                message = self.waiting.pop(0)
                self.name = message.get("conn", self.name)
                pings += message["t"] == "ping"
                if message["t"] == kind:
                    return message
            line = next(self.lines)
            if line.startswith("data: "):
                found = json.loads(line[6:])
                self.waiting += found if isinstance(found, list) else [found]
            elif line:
                self.said.append(line)
        raise AssertionError(f"no {kind} came")

    def rest(self) -> list[str]:
        """Return the lines until the answer ends."""
        return list(self.lines)


@contextmanager
def streaming(project: Project, method: str = "POST", url: str = "/v1/live", **what: Any) -> Iterator[Stream]:
    what.setdefault("headers", project.headers | EVENTS)
    with project.instance.http.stream(method, url, timeout=30, **what) as answer:
        if answer.status_code != 200:
            answer.read()
        assert answer.status_code == 200, answer.text
        yield Stream(answer)


def public(project: Project, token: str = "") -> dict[str, str]:
    return {"X-Bunbase-Key": project.publishable, **({"Authorization": f"Bearer {token}"} if token else {})}


def post(project: Project, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    return project.instance.http.post(path, json=body, headers=headers or project.headers, timeout=40)


def post_text(project: Project, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    """Post JSON with the escapes of Python, which httpx does not have."""
    all_headers = project.headers | {"Content-Type": "application/json"} | (headers or {})
    return project.instance.http.post(path, content=json.dumps(body), headers=all_headers, timeout=40)


def opened_poll(project: Project, *sent: Any) -> tuple[str, list[dict[str, Any]]]:
    found = post(project, "/v1/live/poll", {"send": sent}).raise_for_status().json()
    return found["conn"], found["messages"]


def polled_until(project: Project, name: str, kind: str) -> list[dict[str, Any]]:
    """Poll until a message of this type has arrived. Return all messages."""
    found: list[dict[str, Any]] = []
    while not any(message["t"] == kind for message in found):
        found += post(project, "/v1/live/poll", {"conn": name}).raise_for_status().json()["messages"]
    return found


def test_events_carry_results_and_changes(project: Project) -> None:
    project.put("posts", "h1", topic="http", n=1)

    with streaming(project, json={"send": [WATCH]}) as stream:
        assert stream.expect("hello")["conn"]
        assert [doc["_id"] for doc in stream.expect("now")["docs"]] == ["h1"]
        at = stream.expect("at")["at"]
        project.put("posts", "h1", topic="http", n=2)
        assert stream.expect("diff")["put"][0][1]["n"] == 2
        stream.expect("at")

    assert stream.answer.headers["content-type"].startswith("text/event-stream")
    assert stream.answer.headers["cache-control"] == "no-store, no-transform"
    assert stream.answer.headers["x-accel-buffering"] == "no"
    assert stream.said[0].startswith("retry: ")
    assert f"id: {at}" in stream.said


def test_a_stream_has_no_line_that_a_text_has_made(project: Project) -> None:
    """In the HTML standard, only CR and LF end the lines of a stream; JSON texts may contain all other separators."""
    project.put("posts", "h9", topic="separators", text=SEPARATORS)
    watch = {"t": "watch", "id": 1, "query": {"collection": "posts", "where": {"topic": "separators"}}}
    read = b""

    with project.instance.http.stream(
        "POST", "/v1/live", json={"send": [watch]}, headers=project.headers | EVENTS, timeout=30
    ) as answer:
        parts = answer.iter_bytes()
        while b'"t":"at"' not in read:
            read += next(parts)
    events = [line[6:] for line in read.split(b"\n") if line.startswith(b"data: ")]
    assert b"\r" not in read
    found = [message for event in events for message in listed(event.decode())]

    assert [doc["text"] for message in found if message["t"] == "now" for doc in message["docs"]] == [SEPARATORS]


def test_head_of_a_stream_opens_no_connection(project: Project) -> None:
    ticket = post(project, "/v1/live/ticket", {}).json()["ticket"]
    for path in (f"/v1/live?key={project.publishable}", f"/v1/live?ticket={ticket}"):
        answer = project.instance.http.head(path, headers=EVENTS, timeout=10)

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
    assert project.instance.http.get("/api/health", timeout=10).status_code == 200


def test_more_messages_are_sent_beside_the_stream(project: Project) -> None:
    with streaming(project, json={}) as stream:
        stream.expect("hello")

        answer = post(project, f"/v1/live/{stream.name}", {"send": [WATCH]})

        assert answer.status_code == 204
        stream.expect("now")


def test_a_connection_belongs_to_the_key_and_user_that_opened_it(project: Project) -> None:
    ada, eve = project.user("ada-http"), project.user("eve-http")
    mine = public(project, ada["access_token"])

    with streaming(project, json={}, headers=mine | EVENTS) as stream:
        stream.expect("hello")
        path, body = f"/v1/live/{stream.name}", {"send": [{"t": "pong"}]}
        answers = [
            post(project, path, body, public(project, eve["access_token"])),
            post(project, path, body, public(project)),
            post(project, path, body),
            post(project, "/v1/live/unknown", body, mine),
            post(project, "/v1/live/poll", {"conn": stream.name}, public(project, eve["access_token"])),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert {answer.json()["code"] for answer in answers} == {"live_connection_not_found"}
        assert len({answer.json()["detail"] for answer in answers}) == 1
        assert post(project, path, body, mine).status_code == 204


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthenticated"),
        ({"X-Bunbase-Key": "pk_wrong"}, 401, "invalid_key"),
        ({"X-Bunbase-Key": "", "Authorization": "Bearer x"}, 401, "no_live_sign_in"),
    ],
)
def test_a_refused_sign_in_is_an_answer_and_no_event(
    project: Project, headers: dict[str, str], status: int, code: str
) -> None:
    for path in ("/v1/live", "/v1/live/poll"):
        answer = post(project, path, {"send": [WATCH]}, headers | EVENTS)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


def test_wrong_bodies_are_refused(project: Project) -> None:
    bodies: list[Any] = [{"send": ["text"]}, {"send": [5]}, {"send": 5}, []]
    for path in ("/v1/live", "/v1/live/poll"):
        for body in bodies:
            answer = post(project, path, body, project.headers | EVENTS)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), (path, body)
    large = {"send": [{"t": "watch", "id": 1, "g": "x" * 70_000}]}
    assert post(project, "/v1/live", large, project.headers | EVENTS).json()["code"] == "payload_too_large"
    assert post(project, "/v1/live", {}).json()["code"] == "events_not_accepted"


def test_complaint_31_half_a_character_fails_one_message_and_the_rest_goes_on(project: Project) -> None:
    broken = {"t": "publish", "id": 2, "channel": "a", "data": "cut \ud83d"}

    found = post_text(project, "/v1/live/poll", {"send": [broken, WATCH]}).raise_for_status().json()
    name, messages = found["conn"], found["messages"]
    headers = project.headers | EVENTS | {"Content-Type": "application/json"}
    with streaming(project, content=json.dumps({"send": [broken, WATCH]}), headers=headers) as stream:
        told = stream.expect("error")
        stream.expect("now")
        assert post_text(project, f"/v1/live/{stream.name}", {"send": [broken]}).status_code == 204
        stream.expect("error")
    with streaming(project, "GET", f"/v1/live?key={project.publishable}&q={in_url(broken)}", headers=EVENTS) as stream:
        stream.expect("error")
    if not any(message["t"] == "now" for message in messages):
        messages += polled_until(project, name, "now")

    assert [one["id"] for one in messages if one["t"] == "error"] == [told["id"]] == [2]
    rest = post_text(project, "/v1/live", {"send": [broken], "resume": "\ud83d"}, EVENTS)
    assert (rest.status_code, rest.json()["code"]) == (400, "malformed_request")


def test_a_revoked_user_gets_nothing_more(project: Project) -> None:
    ada = project.user("ada-revoked-http")
    headers = public(project, ada["access_token"]) | EVENTS

    with streaming(
        project, json={"send": [{"t": "watch", "id": 1, "query": {"collection": "notes"}}]}, headers=headers
    ) as stream:
        stream.expect("at")
        post(project, "/v1/auth/logout", {"refresh_token": ada["refresh_token"]}, headers).raise_for_status()
        assert stream.expect("auth")["why"] == "revoked"
        late = {"send": [{"t": "watch", "id": 2, "query": {"collection": "posts"}}]}
        assert post(project, f"/v1/live/{stream.name}", late, headers).status_code == 401


def test_messages_of_a_poll_wait_for_the_next_token(project: Project) -> None:
    ada = project.user("ada-waits")
    body = {"send": [{"t": "watch", "id": 1, "query": {"collection": "notes"}}]}
    opened = post(project, "/v1/live/poll", body, public(project, ada["access_token"])).raise_for_status().json()
    path = f"/v1/auth/users/{ada['user']['id']}"
    project.instance.http.patch(path, json={"role": "editor"}, headers=project.headers).raise_for_status()
    login = {"email": "ada-waits@example.com", "password": "correct horse battery"}
    fresh = post(project, "/v1/auth/login", login, public(project)).raise_for_status().json()["access_token"]
    mine = public(project, fresh)

    watch = {"t": "watch", "id": 2, "query": {"collection": "notes"}}
    auth = {"t": "auth", "key": project.publishable, "token": fresh}
    post(project, f"/v1/live/{opened['conn']}", {"send": [watch, auth]}, mine).raise_for_status()

    found: list[dict[str, Any]] = []
    while not any(one["t"] == "now" and one["id"] == 2 for one in found):
        answer = post(project, "/v1/live/poll", {"conn": opened["conn"]}, mine).raise_for_status().json()
        found += answer["messages"]
    assert [one["t"] for one in found if one["t"] in ("hello", "error")] == ["hello"]


def test_curl_shows_the_events(project: Project) -> None:
    command = [
        "curl",
        "-sN",
        "--max-time",
        "3",
        "-H",
        "Accept: text/event-stream",
        "-H",
        "Content-Type: application/json",
    ]
    command += ["-H", f"X-Bunbase-Key: {project.secret}", "-d", json.dumps({"send": [WATCH]})]

    shown = subprocess.run([*command, f"{project.instance.url}/v1/live"], capture_output=True, text=True, check=False)

    assert "retry: " in shown.stdout
    assert '"t":"hello"' in shown.stdout
    assert '"t":"now"' in shown.stdout


def in_url(*messages: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(messages).encode()).decode().rstrip("=")


def test_an_event_source_has_key_and_messages_in_the_url(project: Project) -> None:
    """The browser's `EventSource` cannot send headers or a body, so the URL contains the key and the messages."""
    url = f"/v1/live?key={project.publishable}&q={in_url(WATCH)}"

    with streaming(project, "GET", url, headers=EVENTS) as stream:
        stream.expect("now")

    secret = project.instance.http.get(f"/v1/live?key={project.secret}", headers=EVENTS)
    assert (secret.status_code, secret.json()["code"]) == (401, "invalid_key")
    wrong = project.instance.http.get(f"/v1/live?key={project.publishable}&q=%21", headers=EVENTS)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_input")


def test_a_ticket_signs_a_user_in_once(project: Project) -> None:
    ada = project.user("ada-ticket")
    made = post(project, "/v1/live/ticket", None, public(project, ada["access_token"]))
    assert made.status_code == 201
    project.put("notes", "ticket", owner=ada["user"]["id"])
    notes = {"t": "watch", "id": 1, "query": {"collection": "notes"}}
    url = f"/v1/live?ticket={made.json()['ticket']}&q={in_url(notes)}"

    with streaming(project, "GET", url, headers=EVENTS) as stream:
        assert [doc["_id"] for doc in stream.expect("now")["docs"]] == ["ticket"]

    again = project.instance.http.get(url, headers=EVENTS)
    assert (again.status_code, again.json()["code"]) == (401, "live_ticket_invalid")


def test_a_ticket_of_a_user_who_has_signed_out_opens_nothing(project: Project) -> None:
    ada = project.user("ada-ticket-out")
    mine = public(project, ada["access_token"])
    ticket = post(project, "/v1/live/ticket", None, mine).json()["ticket"]
    post(project, "/v1/auth/logout", {"refresh_token": ada["refresh_token"]}, mine).raise_for_status()
    # The gateway has heard of the revocation.
    poll(lambda: post(project, "/v1/live/ticket", None, mine).status_code == 401)

    answer = project.instance.http.get(f"/v1/live?ticket={ticket}", headers=EVENTS)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_polls_carry_results_and_changes(project: Project) -> None:
    name, messages = opened_poll(project, WATCH)
    assert messages[0]["t"] == "hello"
    if not any(message["t"] == "at" for message in messages):
        polled_until(project, name, "at")

    project.put("posts", "p1", topic="http", n=1)

    kinds = [message["t"] for message in polled_until(project, name, "at")]
    assert kinds == ["diff", "at"]
    assert post(project, f"/v1/live/{name}", {"send": [{"t": "unwatch", "id": 1}]}).status_code == 204
    assert polled_until(project, name, "ok")[-1] == {"t": "ok", "id": 1}


def test_a_second_poll_ends_the_first(project: Project) -> None:
    name, _ = opened_poll(project)
    first: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: first.append(post(project, "/v1/live/poll", {"conn": name})))
    waiting.start()

    sent = {"conn": name, "send": [{"t": "unwatch", "id": 3}]}
    second = post(project, "/v1/live/poll", sent).raise_for_status().json()
    waiting.join(1)
    if waiting.is_alive():  # This message arrived after the second one.
        post(project, f"/v1/live/{name}", {"send": [{"t": "unwatch", "id": 4}]}).raise_for_status()
    waiting.join(20)

    found = first[0].raise_for_status().json()["messages"] + second["messages"]
    assert {"t": "ok", "id": 3} in found


def test_the_end_of_the_server_is_told(project: Project, instance: Instance) -> None:
    """This test comes last, because it restarts the process of the gateway."""
    name, _ = opened_poll(project)
    polls: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: polls.append(post(project, "/v1/live/poll", {"conn": name})))

    with streaming(project, json={}) as stream:
        stream.expect("hello")
        waiting.start()
        instance.restart([*instance.commands][-1])
        assert stream.expect("bye")["code"] == "restart"
        stream.rest()
    waiting.join(20)

    assert polls[0].json()["messages"][-1]["t"] == "bye"
