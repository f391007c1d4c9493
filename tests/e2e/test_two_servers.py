"""Two servers on one PostgreSQL: the same secret is sent to both at once, and counts once.

Only one process may run Bundoc and Buncast. All rooms with accounts run in both processes.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import asyncpg
import httpx
import msgspec
import pyotp
import pytest

from bunbase.pkg.ids import new_id
from tests.e2e.conftest import new_database, short_directory
from tests.e2e.instance import SECRET, SETUP_TOKEN, START_SECONDS, Instance, free_port, poll

AT_ONCE: Final = 4  # Each server gets this many requests of each act.
PASSWORD: Final = "correct horse battery"
ROOMS: Final = ("bunkms", "bunauth", "tenant_auth", "platform", "gateway")
ALONE: Final = ("bundoc", "buncast", "functions", "storage")  # Only the first server runs these rooms.
ROOT: Final = {"email": "root@example.com", "password": PASSWORD}
MAX_KEYS, MAX_MEMBERS = 6, 4

Headers = dict[str, str]
Act = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


class Pair:
    """Two servers. `http`: a client of the first server. `root`: the headers of the administrator.

    `alpha`, `key`, `secret`: a project, and the headers with its publishable and its secret key.
    """

    def __init__(self, first: Instance, second: str, database: str) -> None:
        self.urls = (first.url, second)
        self.database = database
        self.http = first.http
        answer = self.http.post("/api/auth/register", json=ROOT | {"setup_token": SETUP_TOKEN}).raise_for_status()
        self.root = bearer(answer.json())
        made = self.http.post("/api/projects", json={"name": "Alpha"}, headers=self.root).raise_for_status().json()
        self.alpha = f"/api/projects/{made['id']}"
        keys = {one["kind"]: {"X-Bunbase-Key": one["key"]} for one in made["keys"]}
        self.key, self.secret = keys["publishable"], keys["secret"]

    async def race(self, *acts: Act) -> list[httpx.Response]:
        """Do each act AT_ONCE times at both servers, all at the same time. Return all answers."""
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=url, timeout=60, verify=False, trust_env=False)
                )
                for url in self.urls
            ]
            await asyncio.gather(*(client.get("/api/health") for client in clients))
            return await asyncio.gather(*(act(client) for _ in range(AT_ONCE) for client in clients for act in acts))

    async def mailed(self, schema: str, to: str, pattern: str) -> str:
        """Return what a pattern finds in the newest mail to an address."""
        text = f"SELECT plain FROM {schema}.mails WHERE recipient = $1 ORDER BY id DESC LIMIT 1"
        connection = await asyncpg.connect(self.database)
        try:
            async with asyncio.timeout(20):
                while (found := re.search(pattern, await connection.fetchval(text, to) or "")) is None:
                    await asyncio.sleep(0.05)
                return found[1]
        finally:
            await connection.close()

    def developer(self) -> tuple[str, Headers]:
        """Return the id and the headers of a new developer."""
        new = {"email": f"{new_id('dev')}@example.com", "password": PASSWORD}
        answer = self.http.post("/api/auth/register", json=new).raise_for_status().json()
        headers = bearer(answer)
        me: dict[str, Any] = self.http.get("/api/auth/me", headers=headers).raise_for_status().json()
        return me["user"]["id"], headers

    def invited(self, at: str, role: str, by: Headers) -> str:
        """Return the token of a new invitation to a project or an organisation."""
        new = {"email": f"{new_id('dev')}@example.com", "role": role}
        made = self.http.post(f"{at}/invites", json=new, headers=by).raise_for_status().json()
        return str(made["url"].rpartition("token=")[2])

    def members(self, at: str, by: Headers) -> dict[str, str]:
        """Return the roles of the members by their ids."""
        listed = self.http.get(f"{at}/members", headers=by).raise_for_status().json()
        return {one["user"]["id"]: one["role"] for one in listed["items"]}

    def user(self) -> dict[str, Any]:
        """Return the answer to the sign-up of a new end user."""
        new = {"email": f"{new_id('eve')}@example.com", "password": PASSWORD}
        answer: dict[str, Any] = self.http.post("/v1/auth/signup", json=new, headers=self.key).raise_for_status().json()
        return answer


@pytest.fixture(scope="module")
def pair(postgres: str) -> Iterator[Pair]:
    database = new_database(postgres)
    with short_directory() as home:
        instance = Instance("one", home)
        ports, second = [free_port() for _ in range(2)], free_port()
        common = {
            "DATABASE_URL": database,
            "BUNBASE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "BUNBASE_HOUSE__SERVICE_SECRET": SECRET,
            "BUNBASE_BUNAUTH__SIGNUPS": "open",
            "BUNBASE_BUNAUTH__SETUP_TOKEN": SETUP_TOKEN,
            "BUNBASE_GATEWAY__PUBLIC_URL": instance.url,
            "BUNBASE_PLATFORM__MAX_KEYS_PER_PROJECT": str(MAX_KEYS),
            "BUNBASE_PLATFORM__MAX_MEMBERS": str(MAX_MEMBERS),
            "BUNBASE_GATEWAY__SIGNUPS_PER_HOUR": "1000",
            "BUNBASE_BUNAUTH__REUSE_GRACE_SECONDS": "0",
            "BUNBASE_TENANT_AUTH__REUSE_GRACE_SECONDS": "0",
        }
        peers = dict.fromkeys(ALONE, f"http://127.0.0.1:{ports[0]}")
        own = (
            {"BUNBASE_PORT": str(instance.port), "BUNBASE_HOUSE__PEERS": "{}"},
            {"BUNBASE_PORT": str(second), "BUNBASE_HOUSE__PEERS": msgspec.json.encode(peers).decode()},
        )
        instance.commands = {
            name: (
                ["serve", *rooms],
                common
                | settings
                | {"BUNBASE_DATA_DIR": str(home / f"data-{name}"), "BUNBASE_HOUSE__INTERNAL_PORT": str(port)},
            )
            for name, rooms, settings, port in zip(("first", "second"), (ROOMS + ALONE, ROOMS), own, ports, strict=True)
        }
        try:
            instance.start()
            url = f"http://127.0.0.1:{second}"
            poll(lambda: is_ready(url), START_SECONDS, "the second server")
            yield Pair(instance, url, database)
        finally:
            instance.close()


def is_ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/api/ready", trust_env=False).status_code == 200
    return False


def bearer(answer: dict[str, Any]) -> Headers:
    return {"Authorization": f"Bearer {answer['access_token']}"}


def post(path: str, body: Any = None, headers: Headers | None = None) -> Act:
    async def act(http: httpx.AsyncClient) -> httpx.Response:
        return await http.post(path, json=body, headers=headers)

    return act


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def accepted(answers: list[httpx.Response]) -> list[httpx.Response]:
    return [answer for answer in answers if answer.status_code < 400]


async def test_one_refresh_token_makes_one_pair_at_both_servers_and_its_reuse_ends_the_session_at_both(
    pair: Pair,
) -> None:
    for path, key, session in (
        ("/api/auth/refresh", {}, pair.http.post("/api/auth/login", json=ROOT).raise_for_status().json()),
        ("/v1/auth/refresh", pair.key, pair.user()),
    ):
        old = {"refresh_token": session["refresh_token"]}

        answers = await pair.race(post(path, old, key))
        assert statuses(answers) == {200: 2 * AT_ONCE}
        [new] = {answer.json()["refresh_token"] for answer in answers}

        newer = (await pair.race(post(path, {"refresh_token": new}, key)))[0].json()["refresh_token"]
        (await pair.race(post(path, {"refresh_token": newer}, key)))[0].raise_for_status()
        assert set(statuses(await pair.race(post(path, old, key)))) == {401}
        assert set(statuses(await pair.race(post(path, {"refresh_token": newer}, key)))) == {401}


async def test_a_code_by_mail_signs_in_once(pair: Pair) -> None:
    for _ in range(2):
        email = pair.user()["user"]["email"]
        pair.http.post("/v1/auth/code", json={"email": email}, headers=pair.key).raise_for_status()
        code = await pair.mailed("tenant_auth", email, r"\b(\d{6})\b")
        answers = await pair.race(post("/v1/auth/login/code", {"email": email, "code": code}, pair.key))
        assert statuses(answers)[200] == 1, statuses(answers)


async def test_a_link_to_reset_a_password_works_once(pair: Pair) -> None:
    email = pair.user()["user"]["email"]
    pair.http.post("/v1/auth/password-reset", json={"email": email}, headers=pair.key).raise_for_status()
    token = await pair.mailed("tenant_auth", email, r"token=([\w.-]+)")

    acts = [
        post("/v1/auth/password-reset/confirm", {"token": token, "password": f"{PASSWORD} {number}"}, pair.key)
        for number in range(2)
    ]
    answers = await pair.race(*acts)

    assert len(accepted(answers)) == 1, statuses(answers)


async def test_a_custom_token_signs_in_once(pair: Pair) -> None:
    uid = pair.user()["user"]["id"]
    made = pair.http.post("/v1/auth/custom-token", json={"uid": uid}, headers=pair.secret).raise_for_status().json()

    answers = await pair.race(post("/v1/auth/login/custom-token", {"token": made["token"]}, pair.key))

    assert statuses(answers)[200] == 1, statuses(answers)


async def test_one_address_becomes_one_user(pair: Pair) -> None:
    new = {"email": f"{new_id('eve')}@example.com", "password": PASSWORD}
    developer = {"email": f"{new_id('dev')}@example.com", "password": PASSWORD}

    answers = await pair.race(post("/v1/auth/signup", new, pair.key))
    of_developers = await pair.race(post("/api/auth/register", developer))

    assert (statuses(answers)[201], statuses(of_developers)[201]) == (1, 1)


async def test_a_code_of_an_authenticator_app_and_a_recovery_code_work_once(pair: Pair) -> None:
    user = pair.user()
    headers = pair.key | bearer(user)
    setup = pair.http.post("/v1/auth/totp", headers=headers).raise_for_status().json()
    app = pyotp.TOTP(setup["secret"])
    now = int(time.time())
    codes = {"code": app.at(now - 30)}
    confirmed = pair.http.post("/v1/auth/totp/confirm", json=codes, headers=headers).raise_for_status().json()
    recovery = confirmed["recovery_codes"][0]
    for code in (app.at(now), recovery):
        challenges = []
        for _ in range(2):
            credentials = {"email": user["user"]["email"], "password": PASSWORD}
            asked = pair.http.post("/v1/auth/login", json=credentials, headers=pair.key).json()
            challenges.append(asked["challenge"])

        steps = [post("/v1/auth/login/second-factor", {"challenge": one, "code": code}, pair.key) for one in challenges]
        answers = await pair.race(*steps)

        assert statuses(answers)[200] == 1, (code, statuses(answers))


async def test_a_device_gets_one_sign_in_and_one_decision(pair: Pair) -> None:
    for _ in range(2):
        device = pair.http.post("/api/auth/device", json={"client": "a laptop"}).raise_for_status().json()
        code = {"user_code": device["user_code"]}
        decisions = await pair.race(*(post(f"/api/auth/device/{act}", code, pair.root) for act in ("approve", "deny")))
        [decision] = accepted(decisions)
        approved = decision.url.path.endswith("approve")

        polls = await pair.race(post("/api/auth/device/token", {"device_code": device["device_code"]}))

        assert statuses(polls)[200] == approved, statuses(polls)


async def test_an_invitation_is_accepted_by_one_person(pair: Pair) -> None:
    people = [pair.developer() for _ in range(3)]
    token = pair.invited(pair.alpha, "viewer", pair.root)

    await pair.race(*(post("/api/invites/accept", {"token": token}, headers) for _, headers in people))

    assert len(pair.members(pair.alpha, pair.root).keys() & {id for id, _ in people}) == 1


async def test_two_owners_who_remove_each_other_leave_one(pair: Pair) -> None:
    for _ in range(2):
        (ada, of_ada), (bob, of_bob) = pair.developer(), pair.developer()
        made = pair.http.post("/api/orgs", json={"name": "Both"}, headers=of_ada).raise_for_status().json()
        at = f"/api/orgs/{made['id']}"
        token = pair.invited(at, "owner", of_ada)
        pair.http.post("/api/invites/accept", json={"token": token}, headers=of_bob).raise_for_status()

        async def remove(
            http: httpx.AsyncClient, at: str = at, user: str = bob, by: Headers = of_ada
        ) -> httpx.Response:
            return await http.delete(f"{at}/members/{user}", headers=by)

        async def lower(http: httpx.AsyncClient, at: str = at, user: str = ada, by: Headers = of_bob) -> httpx.Response:
            return await http.patch(f"{at}/members/{user}", json={"role": "viewer"}, headers=by)

        answers = await pair.race(remove, lower)

        lists = [pair.http.get(f"{at}/members", headers=headers) for headers in (of_ada, of_bob)]
        members = next(one.json()["items"] for one in lists if one.status_code == 200)
        assert [one["role"] for one in members].count("owner") == 1, (members, statuses(answers))


async def test_limits_of_keys_and_members_hold_at_both_servers(pair: Pair) -> None:
    made = pair.http.post("/api/projects", json={"name": "Limits"}, headers=pair.root).raise_for_status().json()
    at = f"/api/projects/{made['id']}"
    people = [(pair.developer()[1], pair.invited(at, "viewer", pair.root)) for _ in range(MAX_MEMBERS + 1)]

    await pair.race(post(f"{at}/keys", {"kind": "publishable"}, pair.root))
    await pair.race(*(post("/api/invites/accept", {"token": token}, headers) for headers, token in people))

    assert len(pair.http.get(f"{at}/keys", headers=pair.root).json()["items"]) == MAX_KEYS
    assert MAX_MEMBERS <= len(pair.members(at, pair.root)) <= MAX_MEMBERS + 1, (
        "an owner through the organisation is more"
    )


async def test_an_idempotency_key_counts_at_both_servers(pair: Pair) -> None:
    pair.http.put("/v1/collections/notes", json={}, headers=pair.secret).raise_for_status()
    headers = pair.secret | {"Idempotency-Key": new_id("key")}

    answers = await pair.race(post("/v1/data/notes", {"text": "once"}, headers))

    assert set(statuses(answers)) == {201}
    assert len({answer.json()["_id"] for answer in answers}) == 1
    assert len(pair.http.get("/v1/data/notes", headers=pair.secret).json()["items"]) == 1


async def test_a_credential_that_ends_at_one_server_is_refused_at_the_other_one(pair: Pair) -> None:
    """Revocations are announced with NOTIFY.

    The earlier answers show that the second server had cached each credential.
    """
    user, (_, developer) = pair.user(), pair.developer()
    key = (
        pair.http.post(f"{pair.alpha}/keys", json={"kind": "publishable"}, headers=pair.root).raise_for_status().json()
    )
    of_key = {"X-Bunbase-Key": key["key"]}
    personal = {"name": "ci", "scopes": ["read"], "expires_in_seconds": 86_400}
    made = pair.http.post("/api/auth/tokens", json=personal, headers=developer).raise_for_status().json()
    token = {"Authorization": f"Bearer {made['token']}"}
    uid = user["user"]["id"]
    with httpx.Client(base_url=pair.urls[1], trust_env=False, timeout=30) as other:
        for end, path, headers in (
            ((f"/v1/auth/users/{uid}/sessions", pair.secret), "/v1/auth/me", pair.key | bearer(user)),
            ((f"{pair.alpha}/keys/{key['id']}", pair.root), "/v1/auth/providers", of_key),
            ((f"/api/auth/tokens/{made['id']}", developer), "/api/projects", token),
            (("/api/auth/sessions", developer), "/api/auth/me", developer),
        ):
            for _ in range(3):
                other.get(path, headers=headers).raise_for_status()
            pair.http.delete(end[0], headers=end[1]).raise_for_status()
            poll(lambda: other.get(path, headers=headers).status_code == 401, 10, f"{path} is refused")  # noqa: B023  # ends in this turn
