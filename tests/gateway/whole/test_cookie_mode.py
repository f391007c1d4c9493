"""Cookie mode on a real socket, in both lanes: which cookies count, from which pages, and which cookies answers set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.revocations import RevokedKind
from bunbase.contracts.tenant_auth.cookies import CookieAccess, CookieMode
from bunbase.gateway.cookie_requests import SentCookies
from bunbase.gateway.settings import GatewaySettings
from bunbase.pkg.errors import Malformed
from tests.gateway.door import FOR_CACHES
from tests.gateway.lanes import KEY, Reply, Served, served
from tests.gateway.others import BAKERY, LIBRARY, LIBRARYS, PASSWORD, PUBLISHABLE, SERVERS
from tests.pkg.waiting import until_true
from tests.rooms import secret_caller

APP, SIBLING = "http://localhost:5173", "http://localhost:5174"
OWN = "http://127.0.0.1:7070"  # The tests have this public_url.
CSRF = "x-bunbase-csrf: 1"
PK = f"x-bunbase-key: {PUBLISHABLE}"
COOKIE, NEXT = "urt_of_eve", "urt_next_of_eve"
EVES = f"cookie: theme=dark; bb_{BAKERY}={COOKIE}"
ORIGIN = f"origin: {APP}"
MINE = "/v1/data/posts/mine"
REMOVED = f'bb_{BAKERY}=""; HttpOnly; Max-Age=0; Path=/; SameSite=lax'
JSON = "content-type: application/json"
BODY = b'{"owner":"usr_eve","n":1}'

# The name, the headers besides the key and Eve's cookie, the status of a GET, and the status of a PATCH.
PAGES: list[tuple[str, tuple[str, ...], int, int]] = [
    ("a page of the app", (ORIGIN, CSRF), 200, 200),
    ("a page of this host", (f"origin: {OWN}", CSRF), 200, 200),
    ("no Origin: a browser opens the page", (), 200, 403),
    ("no Origin, with the header", (CSRF,), 200, 403),
    ("no header", (ORIGIN,), 200, 403),
    ("another value of the header", (ORIGIN, "x-bunbase-csrf: 0"), 200, 403),
    ("a sandboxed page", ("origin: null", CSRF), 403, 403),
    ("a foreign page", ("origin: https://evil.example", CSRF), 403, 403),
    ("another port", (f"origin: {SIBLING}", CSRF), 403, 403),
    ("another scheme", ("origin: https://localhost:5173", CSRF), 403, 403),
    ("a subdomain", ("origin: http://a.localhost:5173", CSRF), 403, 403),
    ("a longer name", (f"origin: {APP}.evil.example", CSRF), 403, 403),
    ("an origin in capitals", (f"origin: {APP.upper()}", CSRF), 403, 403),
    ("an empty origin", ("origin: ", CSRF), 200, 403),
    ("a picture of a sibling site", ("sec-fetch-site: same-site", "sec-fetch-mode: no-cors"), 403, 403),
    ("a link from a foreign site", ("sec-fetch-site: cross-site", "sec-fetch-mode: navigate"), 200, 403),
    ("a page that asks its own host", ("sec-fetch-site: same-origin", "sec-fetch-mode: cors"), 200, 403),
]


@pytest.fixture(params=["fast", "ordinary"])
async def lane(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        settings = GatewaySettings(fast_lane=request.param == "fast", token_requests_per_minute=5)
        served_here = await stack.enter_async_context(served(tmp_path, settings))
        rules = Rules(get="auth.uid == doc.owner", update="auth.uid == doc.owner")
        await served_here.service.put_collection(secret_caller(BAKERY), "posts", CollectionSpec(rules=rules))
        users = served_here.tenant_auth
        users.modes[BAKERY] = CookieMode(True, frozenset({APP}), 3600)
        users.cookies[BAKERY, COOKIE] = CookieAccess(users.token(), "", 800)
        async with served_here.connected() as connection:
            assert (await connection.ask(f"PUT {MINE}", KEY, body=BODY)).status == 201
        yield served_here


async def ask(lane: Served, line: str, *headers: str, body: bytes = b"") -> Reply:
    async with lane.connected() as connection:
        return await connection.ask(line, *headers, body=body)


async def first_refusal(lane: Served) -> Reply:
    """Read Eve's document with her cookie until it is refused. Return this answer."""
    replies: list[Reply] = []

    async def is_refused() -> bool:
        replies.append(await ask(lane, f"GET {MINE}", PK, EVES))
        return replies[-1].status != 200

    await until_true(is_refused)
    return replies[-1]


async def test_the_table_of_pages_that_may_use_a_cookie(lane: Served) -> None:
    wrong = []
    # There is one connection, because a caller that was admitted before must not count.
    async with lane.connected() as connection:
        for name, sent, status, changing in PAGES * 2:
            got = (await connection.ask(f"GET {MINE}", PK, EVES, *sent)).status
            changed = (await connection.ask(f"PATCH {MINE}", PK, EVES, JSON, *sent, body=b'{"n":2}')).status
            if (got, changed) != (status, changing):
                wrong.append((name, got, changed))

    assert wrong == []
    assert lane.tenant_auth.calls["cookie_access"] == 1, "the access token is cached"


async def test_a_form_of_a_foreign_page_changes_nothing(lane: Served) -> None:
    form = ("content-type: application/x-www-form-urlencoded", "origin: https://evil.example")
    at = f"/v1/functions/echo?project={BAKERY}"
    assert (await ask(lane, f"POST {at}", EVES, *form, body=b"a=1")).status == 403
    assert (await ask(lane, f"POST /v1/data/posts?key={PUBLISHABLE}", EVES, *form, body=b"a=1")).status == 403


async def test_pages_of_the_app_may_read_answers_and_others_may_not(lane: Served) -> None:
    def shared(reply: Reply) -> tuple[str, str, str]:
        vary = [value for name, value in reply.headers if name == "vary" and value == "Origin"]
        names = ("access-control-allow-origin", "access-control-allow-credentials")
        return reply.header(names[0]), reply.header(names[1]), "".join(vary)

    for sent in ((EVES,), ()):  # This is also true before the sign-in, and for refusals.
        for path in (MINE, "/v1/data/posts/gone", "/v1/data/posts?nonsense=1"):
            assert shared(await ask(lane, f"GET {path}", PK, ORIGIN, *sent)) == (APP, "true", "Origin"), path
    assert shared(await ask(lane, f"PATCH {MINE}", PK, ORIGIN, EVES, JSON, body=b"{}")) == (APP, "true", "Origin")
    foreign = await ask(lane, f"GET {MINE}", PK, "origin: https://evil.example")
    assert shared(foreign)[1] == ""
    assert shared(await ask(lane, f"GET {MINE}", f"x-bunbase-key: {LIBRARYS}", ORIGIN))[1] == "", "another project"

    asking = "access-control-request-method: PATCH"
    assert shared(await ask(lane, f"OPTIONS {MINE}", ORIGIN, asking)) == (APP, "true", "Origin")
    assert shared(await ask(lane, "OPTIONS /api/projects", ORIGIN, asking))[1] == ""
    assert shared(await ask(lane, f"OPTIONS {MINE}", f"origin: {SIBLING}", asking))[1] == ""


async def test_a_page_of_one_project_gets_no_preflight_for_the_functions_of_another(lane: Served) -> None:
    evil = "https://evil.example"
    lane.tenant_auth.modes[LIBRARY] = CookieMode(True, frozenset({evil}), 3600)

    async def allows(path: str, origin: str = evil) -> bool:
        reply = await ask(lane, f"OPTIONS {path}", f"origin: {origin}", "access-control-request-method: PUT")
        return reply.header("access-control-allow-credentials") == "true"

    for named in (f"project={BAKERY}", f"key={PUBLISHABLE}", "project=bakery", f"project={BAKERY}&project={LIBRARY}"):
        assert not await allows(f"/v1/functions/echo?{named}"), named
    assert await allows(f"/v1/functions/echo?project={LIBRARY}")
    assert await allows(f"/v1/functions/echo?project={BAKERY}", APP)
    assert await allows(f"/v1/functions/echo?key={LIBRARYS}")
    assert await allows("/v1/functions/echo"), "a header may name the project"
    asked = lane.platform.calls["key_holder"]
    for number in range(7):
        assert not await allows(f"/v1/functions/echo?key=pk_unknown{number}")
    assert lane.platform.calls["key_holder"] == asked + 5, "invalid keys of preflights count against the address"


async def test_a_bearer_token_wins_and_a_server_with_the_secret_key_needs_no_origin(lane: Served) -> None:
    other = lane.tenant_auth.token(sub="usr_bob")
    bearer = f"authorization: Bearer {other}"
    assert (await ask(lane, f"GET {MINE}", PK, EVES, bearer, "origin: null")).status == 404, "Bob may not read it"
    server = f"x-bunbase-key: {SERVERS}"
    assert (await ask(lane, "GET /v1/auth/sessions", server, EVES)).status != 401
    assert (await ask(lane, f"PATCH {MINE}", server, EVES, JSON, body=b'{"n":3}')).status == 403
    assert (await ask(lane, f"PATCH {MINE}", server, EVES, CSRF, JSON, body=b'{"n":3}')).status == 200


async def test_cookies_of_other_projects_two_cookies_and_huge_ones_open_nothing(lane: Served) -> None:
    users = lane.tenant_auth
    users.modes[LIBRARY] = CookieMode(True, frozenset({APP}), 3600)
    users.cookies[LIBRARY, "urt_of_the_library"] = CookieAccess(users.token(LIBRARY), "", 800)

    assert (await ask(lane, f"GET {MINE}", PK, f"cookie: bb_{LIBRARY}=urt_of_the_library")).status == 404
    assert (await ask(lane, f"GET {MINE}", PK, f"cookie: bb_{BAKERY}=urt_of_the_library")).status == 401
    assert (await ask(lane, f"GET {MINE}", PK, f"cookie: bb_{BAKERY}={COOKIE}; bb_{BAKERY}=urt_tossed")).status == 400
    before = users.calls["cookie_access"]
    for value in ("x" * 101, "a b", "%00", '"quoted"', "urt_ü"):
        assert (await ask(lane, f"GET {MINE}", PK, f"cookie: bb_{BAKERY}={value}")).status in (400, 401), value
    assert users.calls["cookie_access"] == before, "tenant-auth is not asked about impossible values"
    assert (await ask(lane, f"GET {MINE}", PK, EVES)).status == 200
    invented = [(await ask(lane, f"GET {MINE}", PK, f"cookie: bb_{BAKERY}=urt_{n}")).status for n in range(8)]
    assert invented[-1] == 429, "invented cookies are limited by address"
    assert (await ask(lane, f"GET {MINE}", PK, EVES)).status == 200

    del users.modes[BAKERY]
    users.tell(RevokedKind.SETTINGS, BAKERY)

    async def counts_as_none() -> bool:
        return (await ask(lane, f"GET {MINE}", PK, EVES)).status == 404

    await until_true(counts_as_none)  # The project has no cookie mode any more.


async def test_a_cookie_is_replaced_on_the_answer_and_asked_for_once(lane: Served) -> None:
    users = lane.tenant_auth
    users.cookies[BAKERY, COOKIE] = CookieAccess(users.token(), NEXT, 800)

    replies = await asyncio.gather(*(ask(lane, f"GET {MINE}", PK, EVES) for _ in range(5)))

    wanted = f"bb_{BAKERY}={NEXT}; HttpOnly; Max-Age=3600; Path=/; SameSite=lax"
    assert {(reply.status, reply.header("set-cookie")) for reply in replies} == {(200, wanted)}
    assert users.calls["cookie_access"] == 1


async def test_an_answer_that_sets_or_removes_the_cookie_is_stored_by_no_cache(lane: Served) -> None:
    """The function allows shared caches, which would give the session of one visitor to all others."""
    users, routes = lane.tenant_auth, [(f"?project={BAKERY}", ()), ("", (PK,))]

    async def caching(query: str, keys: tuple[str, ...]) -> tuple[bool, dict[str, str]]:
        reply = await ask(lane, f"GET /v1/functions/cached-by-cdn{query}", EVES, *keys)
        assert reply.status == 200
        names = [name for name, _ in reply.headers]
        assert names.count("cache-control") == 1
        said = {name: value for name, value in reply.headers if (name, value) in FOR_CACHES or name == "cache-control"}
        return "set-cookie" in names, said

    assert [await caching(*route) for route in routes] == [(False, dict(FOR_CACHES))] * 2
    users.cookies[BAKERY, COOKIE] = CookieAccess(users.token(session="ses_next"), NEXT, 800)
    users.tell(RevokedKind.SESSION, "ses_u")

    async def replaces() -> bool:
        return (await caching(*routes[0]))[0]

    await until_true(replaces)
    stored_nowhere = [(True, {"cache-control": "private, no-store"})] * 2
    assert [await caching(*route) for route in routes] == stored_nowhere
    refused = await ask(lane, f"GET {MINE}", PK, f"cookie: bb_{BAKERY}=urt_ended")
    assert (refused.header("set-cookie"), refused.header("cache-control")) == (REMOVED, "private, no-store")
    shown = await ask(lane, f"GET /v1/functions/cached-by-cdn?project={BAKERY}", f"cookie: bb_{BAKERY}=urt_ended")
    assert (shown.header("set-cookie"), shown.header("cache-control")) == (REMOVED, "private, no-store")


async def test_a_cookie_whose_session_has_ended_is_removed(lane: Served) -> None:
    users = lane.tenant_auth
    assert (await ask(lane, f"GET {MINE}", PK, EVES)).status == 200
    users.cookies.clear()
    users.tell(RevokedKind.SESSION, "ses_u")

    reply = await first_refusal(lane)
    assert (reply.status, reply.header("set-cookie")) == (401, REMOVED)
    assert msgspec.json.decode(reply.body)["code"] == "cookie_ended"

    for path, sent in ((f"/v1/functions/echo?project={BAKERY}", (EVES,)), ("/v1/functions/echo", (EVES, PK))):
        page = await ask(lane, f"GET {path}", *sent)
        assert page.status == 201, "the page of a function is shown without a user"
        assert [value for name, value in page.headers if name == "set-cookie"][-1] == REMOVED
        assert msgspec.json.decode(page.body)[-1] is None


async def test_nobody_loses_the_cookie_while_the_keys_of_the_project_are_replaced(lane: Served) -> None:
    users, old = lane.tenant_auth, lane.tenant_auth.key(BAKERY).kid
    assert (await ask(lane, f"GET {MINE}", PK, EVES)).status == 200

    users.tell(RevokedKind.SIGNING_KEY, old)  # tenant-auth still signs with the old key, and publishes it.
    reply = await first_refusal(lane)
    for refused in (reply, await ask(lane, f"GET /v1/functions/echo?project={BAKERY}", EVES)):
        assert (refused.status, refused.header("retry-after"), refused.header("set-cookie")) == (503, "2", "")
    users.signers[BAKERY] = "the next key of the bakery"
    users.cookies[BAKERY, COOKIE] = CookieAccess(users.token(), "", 800)

    reply = await ask(lane, f"GET {MINE}", PK, EVES)
    assert (reply.status, reply.header("set-cookie")) == (200, ""), "the old keys that were read last do not count"


async def test_a_function_gets_the_user_and_never_the_cookie(lane: Served) -> None:
    for path, key in ((f"/v1/functions/echo?project={BAKERY}", ()), ("/v1/functions/echo", (PK,))):
        reply = await ask(lane, f"GET {path}", EVES, *key)
        assert reply.status == 201
        assert msgspec.json.decode(reply.body)[-2:] == ["publishable", "usr_eve"]


async def test_a_sign_in_sets_the_cookie_in_place_of_tokens_and_sign_out_removes_it(lane: Served) -> None:
    login = msgspec.json.encode({"email": "eve@example.com", "password": PASSWORD})
    reply = await ask(lane, "POST /v1/auth/login?cookies=1", PK, ORIGIN, JSON, body=login)

    assert reply.status == 200
    assert sorted(msgspec.json.decode(reply.body)) == ["aal", "amr", "user"]
    assert reply.header("set-cookie") == f"bb_{BAKERY}=refresh; HttpOnly; Max-Age=3600; Path=/; SameSite=lax"
    assert reply.header("cache-control") == "private, no-store"

    foreign = await ask(lane, "POST /v1/auth/login?cookies=1", PK, "origin: https://evil.example", JSON, body=login)
    assert (foreign.status, foreign.header("set-cookie")) == (403, "")
    wrong = await ask(lane, "POST /v1/auth/login?cookies=2", PK, ORIGIN, JSON, body=login)
    assert wrong.status == 422
    off = await ask(lane, "POST /v1/auth/login?cookies=1", f"x-bunbase-key: {LIBRARYS}", JSON, body=login)
    assert msgspec.json.decode(off.body)["code"] == "cookie_mode_off"
    assert lane.tenant_auth.calls["login"] == 1, "a refused request signs nobody in"

    refused = await ask(lane, "POST /v1/auth/logout", PK, EVES, ORIGIN)
    assert (refused.status, refused.header("set-cookie")) == (403, "")
    out = await ask(lane, "POST /v1/auth/logout", PK, EVES, ORIGIN, CSRF)
    assert (out.status, out.header("set-cookie")) == (204, REMOVED)


async def test_a_refresh_takes_the_cookie_only_from_a_page_of_the_app(lane: Served) -> None:
    path = "POST /v1/auth/refresh?cookies=1"
    assert (await ask(lane, path, PK, EVES, "origin: null", CSRF, JSON, body=b"{}")).status == 403
    assert (await ask(lane, path, PK, EVES, ORIGIN, JSON, body=b"{}")).status == 403
    reply = await ask(lane, path, PK, EVES, ORIGIN, CSRF, JSON, body=b"{}")
    assert (reply.status, "access_token" in msgspec.json.decode(reply.body)) == (200, False)
    assert reply.header("set-cookie").startswith(f"bb_{BAKERY}=refresh;")
    assert (await ask(lane, "POST /v1/auth/refresh", PK, EVES, ORIGIN, CSRF, JSON, body=b"{}")).status == 422


def test_with_https_no_other_host_can_set_the_cookie() -> None:
    sent = SentCookies("GET", f"bb_{BAKERY}=tossed; __Host-bb_{BAKERY}=ours")
    assert sent.value(BAKERY, "https://base.example") == "ours"
    with pytest.raises(Malformed):
        SentCookies("GET", f"bb_{BAKERY}=a;bb_{BAKERY}=b").value(BAKERY, OWN)
