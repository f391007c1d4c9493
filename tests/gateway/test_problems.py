"""Every refusal is problem+json with the right status. No answer shows a traceback."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.door import BUG, Door, door_of
from tests.gateway.others import SECRET
from tests.seeds import examples

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}
KEY = {"x-bunbase-key": SECRET}
LOGIN, DATA = "/api/auth/login", "/v1/data/posts"
GOOD = b'{"email": "ada@example.com", "password": "x"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[Door]:
    """Yield one gateway for all tests of this file, because none of them changes anything."""
    async with door_of() as opened:
        yield opened


def problem(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) >= {"type", "title", "status", "code", "detail", "request_id"}
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert not re.search(r"Traceback|File \"|\.py\b|ParamType|litestar|msgspec", answer.text)
    return answer.status_code, body["code"]


BODIES: dict[str, tuple[bytes, int]] = {
    "cut off": (b'{"email":', 400),
    "not JSON": (b"email=ada", 400),
    "not UTF-8": (b'{"email": "\xff\xfe", "password": "x"}', 400),
    "UTF-16": ('{"email": "a"}'.encode("utf-16"), 400),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, 400),
    "half a surrogate": (b'{"email": "\\ud800", "password": "x"}', 400),
    "60k brackets": (b"[" * 60_000, 400),
    "12k braces": (b'{"a":' * 12_000, 400),
    "number beyond all range": (b"1e999999", 400),
    "two documents": (GOOD + GOOD, 400),
    "nothing": (b"", 400),
    "null": (b"null", 422),
    "a list": (b"[]", 422),
    "a text": (b'"x"', 422),
    "wrong type": (b'{"email": 1, "password": "x"}', 422),
    "nested wrong type": (b'{"email": {"$gt": ""}, "password": {"$gt": ""}}', 422),
    "unknown field": (GOOD[:-1] + b', "admin": true}', 422),
    "missing field": (b'{"email": "ada@example.com"}', 422),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", [LOGIN, "/api/projects", "/v1/auth/signup", "/api/auth/refresh"])
async def test_malformed_json_gets_400_and_a_wrong_shape_gets_422(door: Door, path: str, name: str) -> None:
    body, status = BODIES[name]
    credentials = KEY if path.startswith("/v1/") else {"authorization": f"Bearer {door.bunauth.token()}"}

    answer = await door.http.post(path, content=body, headers=JSON | credentials)

    assert problem(answer) == (status, {400: "malformed_request", 422: "invalid_input"}[status])


async def test_a_problem_names_the_invalid_field(door: Door) -> None:
    wrong = await door.http.post(LOGIN, content=b'{"email": 1, "password": "x"}', headers=JSON)
    nothing = await door.http.post(LOGIN, headers=JSON)
    unknown = await door.http.post(LOGIN, content=GOOD[:-1] + b', "admin": true}', headers=JSON)

    assert wrong.json()["errors"] == [{"path": "/email", "message": "This must be a text, but it is a whole number."}]
    assert nothing.json()["detail"] == "The body is empty: send a JSON value."
    assert "admin" in unknown.json()["detail"]


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense;;;="]
)
async def test_another_content_type_than_json_gets_415(door: Door, media: str) -> None:
    answer = await door.http.post(LOGIN, content=GOOD, headers={"content-type": media})

    assert problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("media", ["application/json", "APPLICATION/JSON; charset=utf-8", None])
async def test_json_is_accepted_with_its_content_type_or_without_one(door: Door, media: str | None) -> None:
    answer = await door.http.post(LOGIN, content=GOOD, headers={"content-type": media} if media else {})

    assert problem(answer) == (401, "invalid_credentials")


@pytest.mark.parametrize(
    ("media", "status"),
    [("application/json", 415), ("multipart/form-data", 400), ("multipart/form-data; boundary=x", 400)],
)
async def test_a_deployment_without_a_valid_form_is_refused(door: Door, media: str, status: int) -> None:
    headers = {"authorization": f"Bearer {door.bunauth.token()}", "content-type": media}

    answer = await door.http.put("/api/projects/bakery/functions/hello", content=b"junk", headers=headers)

    assert problem(answer)[0] == status


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "NONSENSE"])
async def test_an_unsupported_method_gets_405_with_allow(door: Door, method: str) -> None:
    answer = await door.http.request(method, LOGIN)

    assert problem(answer) == (405, "method_not_allowed")
    assert answer.json()["detail"] == f"The route {LOGIN} does not support {method}; it supports OPTIONS, POST."
    assert {allowed.strip() for allowed in answer.headers["allow"].split(",")} == {"POST", "OPTIONS"}


@pytest.mark.parametrize("path", ["/v1/functions/hello", "/v1/functions/hello/a", "/api/projects", "/v1/data/a/b"])
async def test_the_answer_to_another_method_names_the_methods_in_the_order_of_allow(door: Door, path: str) -> None:
    answer = await door.http.request("PROPFIND", path, headers=KEY)

    assert problem(answer) == (405, "method_not_allowed")
    methods = answer.headers["allow"].split(", ")
    assert methods == sorted(methods)
    assert answer.json()["detail"].endswith(f"it supports {answer.headers['allow']}.")


async def test_head_of_a_route_without_get_gets_405_with_allow(door: Door) -> None:
    answer = await door.http.head(LOGIN)

    assert (answer.status_code, answer.content, answer.headers["allow"]) == (405, b"", "OPTIONS, POST")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/api/nothing",
        "/api/openapi.yaml",
        "/v1",
        "/v1/data/a/b/c",
        "/%00",
        "/%ff%fe",
        "/" + "a" * 5000,
    ],
)
async def test_an_unknown_path_gets_404(door: Door, path: str) -> None:
    assert problem(await door.http.get(path, headers=KEY)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api/projects/%00", "/api/projects/%00/keys", "/api/projects/" + "a" * 5000])
async def test_an_impossible_project_name_gets_404(door: Door, path: str) -> None:
    answer = await door.http.get(path, headers={"authorization": f"Bearer {door.bunauth.token()}"})

    assert problem(answer) == (404, "project_not_found")


@pytest.mark.parametrize("limit", ["0", "-1", "501", "9" * 30, "1.5", "abc", "", "%00", "%ff", "true", "NaN", "1%00"])
@pytest.mark.parametrize("path", [DATA, "/api/projects"])
async def test_an_invalid_limit_gets_422(door: Door, path: str, limit: str) -> None:
    headers = KEY | {"authorization": f"Bearer {door.tenant_auth.token()}"}
    if path != DATA:
        headers["authorization"] = f"Bearer {door.bunauth.token()}"

    answer = await door.http.get(f"{path}?limit={limit}", headers=headers)

    assert problem(answer) == (422, "invalid_input")
    assert answer.json()["errors"][0]["path"] == "limit"
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("query", ["limit=1&limit=2", "cursor=a&cursor=b", "limit=1&limit=1"])
async def test_a_repeated_query_parameter_gets_422(door: Door, query: str) -> None:
    answer = await door.http.get(f"{DATA}?{query}", headers=KEY)

    assert problem(answer) == (422, "invalid_input")
    assert answer.json()["errors"] == [{"path": query.partition("=")[0], "message": "Send this parameter only once."}]


FUNCTIONS = "/api/projects/bakery/functions"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{FUNCTIONS}/hello/logs?level=null", "level"),
        (f"{FUNCTIONS}/hello/logs?level=NULL", "level"),
        (f"{FUNCTIONS}/hello/logs?version=null", "version"),
        (f"{FUNCTIONS}/hello/logs?version=Null", "version"),
        (f"{FUNCTIONS}/hello/logs?version=1.0", "version"),
        ("/api/projects/bakery/jobs?state=null", "state"),
        ("/api/projects/bakery/audit?actor=usr_a&actor=usr_b", "actor"),
        ("/api/projects?limit=5.0", "limit"),
        ("/api/projects?limit=1e1", "limit"),
    ],
)
async def test_a_value_that_is_no_value_of_its_type_does_not_count_as_left_out(
    door: Door, path: str, name: str
) -> None:
    headers = {"authorization": f"Bearer {door.bunauth.token()}"}

    answer = await door.http.get(path, headers=headers)

    assert problem(answer) == (422, "invalid_input")
    assert answer.json()["errors"][0]["path"] == name


@pytest.mark.parametrize("query", ["wait_seconds=1e1", "wait_seconds=nan", "wait_seconds=inf", "since=1.0"])
async def test_a_number_in_another_notation_gets_422(door: Door, query: str) -> None:
    assert problem(await door.http.get(f"/v1/changes?{query}", headers=KEY)) == (422, "invalid_input")


async def test_null_is_no_filter_of_users(door: Door) -> None:
    assert problem(await door.http.get("/v1/auth/users?banned=null", headers=KEY)) == (422, "invalid_input")


@pytest.mark.parametrize("number", ["+1", "01", "1.0", "%2B1", "%201", "%D9%A1", "1_0", "x"])
async def test_a_number_in_a_path_has_one_spelling(door: Door, number: str) -> None:
    headers = {"authorization": f"Bearer {door.bunauth.token()}"}

    answer = await door.http.get(f"{FUNCTIONS}/hello/versions/{number}/bundle", headers=headers)

    assert problem(answer) == (404, "not_found")


@pytest.mark.parametrize("query", ["cursor=" + "x" * 2049, "limit=1&limit=x", "limit=x&limit=1"])
async def test_an_invalid_query_parameter_never_causes_a_server_error(door: Door, query: str) -> None:
    answer = await door.http.get(f"{DATA}?{query}", headers=KEY)

    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        problem(answer)


async def test_a_huge_body_gets_413_with_or_without_its_length(door: Door) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 10_000

    for content, extra, limit in (
        (b" " * (3 << 20), {}, "65,536"),  # this is the limit of sign-ins
        (chunks(), {}, "65,536"),
        (b"{}", {"content-length": "99999999999"}, "2,097,152"),
    ):
        answer = await door.http.post(LOGIN, content=content, headers=JSON | extra)
        assert problem(answer) == (413, "payload_too_large")
        assert answer.json()["detail"] == f"Send at most {limit} bytes."


async def test_a_content_length_that_is_no_number_gets_400(door: Door) -> None:
    answer = await door.http.post(LOGIN, content=b"{}", headers=JSON | {"content-length": "abc"})

    assert problem(answer) == (400, "malformed_request")


@pytest.mark.parametrize("headers", [{}, {"host": "[::bad"}, {"accept": "nonsense/;;;"}, {"cookie": "===;;;"}])
async def test_a_bug_shows_the_caller_only_the_request_id(door: Door, headers: dict[str, str]) -> None:
    answer = await door.http.post(DATA, content=b"{}", headers=JSON | KEY | headers)

    assert problem(answer) == (500, "internal")
    assert answer.json()["request_id"] in answer.json()["detail"]
    assert BUG not in answer.text
    assert "KeyError" not in answer.text


async def test_an_impossible_host_header_gets_400(door: Door) -> None:
    assert problem(await door.http.get("/api/health", headers={"host": "a b<c>"})) == (400, "malformed_request")


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
ANY_HEADER = st.binary(min_size=1, max_size=40).map(lambda data: bytes(byte for byte in data if byte >= 32))


@given(
    path=TEXT,
    query=TEXT,
    body=st.binary(max_size=60),
    headers=st.dictionaries(
        st.sampled_from(["authorization", "x-bunbase-key", "x-request-id", "cookie", "origin", "accept", "host"]),
        ANY_HEADER,
        max_size=4,
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
)
@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
async def test_random_requests_never_cause_a_server_error(door: Door, **sent: Any) -> None:
    for path in (f"/{sent['path']}", "/api/projects", "/v1/auth/login"):
        url = f"http://test{quote(path)}?{quote(sent['query'], safe='=&')}"
        headers = {name.encode(): value for name, value in sent["headers"].items()}

        answer = await door.http.request(sent["method"], url, content=sent["body"], headers=headers)

        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            problem(answer)


async def test_a_client_that_leaves_amid_its_body_is_no_error_of_the_server(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    coming: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"email":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": LOGIN,
        "raw_path": LOGIN.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test"), (b"content-type", b"application/json"), (b"content-length", b"60")],
        "client": ("127.0.0.1", 50000),
        "server": ("test", 80),
    }

    async def receive() -> dict[str, Any]:
        return coming.pop(0) if len(coming) > 1 else coming[0]

    async def send(message: Any) -> None:
        sent.append(message)

    app: Any = door.http._transport
    await app.app(scope, receive, send)

    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [499]
    assert "unforeseen" not in caplog.text
