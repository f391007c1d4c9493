"""Kill the server with SIGKILL amid refreshes, invitations and sign-ups of end users.

No act is half done, and no token works twice. The hook `after_signup` runs only for stored users, and for each of them.

BUNBASE_SIGN_IN_KILLS is the number of kills (1 in `make test`).
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any, Final

import httpx

from bunbase.pkg.ids import new_id
from tests.e2e.instance import Instance, poll
from tests.e2e.killed.conftest import ADMIN

KILLS: Final = int(os.environ.get("BUNBASE_SIGN_IN_KILLS", "1"))
SESSIONS: Final = 8
INVITES: Final = 12
SIGN_UPS: Final = 12
WELCOME: Final = """
exports.hooks = { async afterSignup({ user }, ctx) { await ctx.data.put("welcomes", user.id, { to: user.email }); } };
"""
PASSWORD: Final = ADMIN["password"]
LIVES_SECONDS: Final = (0.1, 0.8)


class Bakery:
    """A project whose hook `after_signup` writes a document for each user. `signed_up`: the ids in the answers."""

    def __init__(self, server: Instance, developer: dict[str, str]) -> None:
        self.http = server.http
        made = self.http.post("/api/projects", json={"name": "Bakery"}, headers=developer).raise_for_status().json()
        keys = {key["kind"]: {"x-bunbase-key": key["key"]} for key in made["keys"]}
        self.app, self.server = keys["publishable"], keys["secret"]
        at = f"/api/projects/{made['id']}"
        files: dict[str, Any] = {"bundle": ("f.js", WELCOME.encode()), "config": (None, b"{}")}
        self.http.put(f"{at}/functions/welcome", files=files, headers=developer).raise_for_status()
        hooks = {"hooks": {"after_signup": "welcome"}}
        self.http.patch(f"{at}/auth", json=hooks, headers=developer).raise_for_status()
        self.signed_up: set[str] = set()

    async def sign_up(self, http: httpx.AsyncClient) -> None:
        await asyncio.sleep(random.uniform(0, LIVES_SECONDS[1]))
        new = {"email": f"{new_id('eve')}@example.com".lower(), "password": PASSWORD}
        reply = await http.post("/v1/auth/signup", json=new, headers=self.app)
        assert reply.status_code == 201, reply.text
        self.signed_up.add(reply.json()["user"]["id"])

    def users(self) -> set[str]:
        listed = self.http.get("/v1/auth/users", params={"limit": 500}, headers=self.server).raise_for_status().json()
        return {one["id"] for one in listed["items"]}

    def welcomed(self) -> set[str]:
        listed = self.http.get("/v1/data/welcomes", params={"limit": 500}, headers=self.server)
        return {one["_id"] for one in listed.json()["items"]} if listed.status_code == 200 else set()


class Clients:
    """`tokens`: the last refresh token of each client. `invites`: the token of each invitation, by its id.

    `accepted`: the ids whose registration was answered.
    """

    def __init__(self, tokens: list[str], invites: dict[str, str], bakery: Bakery) -> None:
        self.tokens = tokens
        self.bakery = bakery
        self.invites = invites
        self.accepted: set[str] = set()

    async def refresh(self, http: httpx.AsyncClient, number: int) -> None:
        """Refresh until the server stops. If an answer is lost, the client keeps the old token."""
        while True:
            pair = (await http.post("/api/auth/refresh", json={"refresh_token": self.tokens[number]})).json()
            self.tokens[number] = pair["refresh_token"]
            if random.random() < 0.5:
                await http.get("/api/auth/me", headers=bearer(pair))

    async def accept(self, http: httpx.AsyncClient, id: str) -> None:
        await asyncio.sleep(random.uniform(0, LIVES_SECONDS[1]))
        reply = await http.post("/api/auth/register", json=account_of(id) | {"invite": self.invites[id]})
        assert reply.status_code == 201, reply.text
        self.accepted.add(id)


def account_of(id: str) -> dict[str, str]:
    return {"email": f"{id}@example.com", "password": PASSWORD}


def bearer(signed_in: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {signed_in['access_token']}"}


async def work_until_killed(server: Instance, clients: Clients) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as http:
        work = [
            *(clients.refresh(http, number) for number in range(len(clients.tokens))),
            *(clients.accept(http, id) for id in clients.invites),
            *(clients.bakery.sign_up(http) for _ in range(SIGN_UPS)),
        ]
        tasks = [asyncio.create_task(one) for one in work]
        await asyncio.sleep(random.uniform(*LIVES_SECONDS))
        await asyncio.to_thread(server.kill)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in ended if one is not None and not isinstance(one, httpx.TransportError)] == []


def test_a_killed_server_leaves_every_session_and_every_invitation_whole(killed: Instance) -> None:
    post = killed.http.post
    bakery = Bakery(killed, bearer(post("/api/auth/login", json=ADMIN).raise_for_status().json()))
    for _ in range(KILLS):
        pairs = [post("/api/auth/login", json=ADMIN).raise_for_status().json() for _ in range(SESSIONS)]
        made = [post("/api/invites", json={}, headers=bearer(pairs[0])).json() for _ in range(INVITES)]
        clients = Clients(
            [pair["refresh_token"] for pair in pairs],
            {one["id"]: one["url"].split("token=")[1] for one in made},
            bakery,
        )

        asyncio.run(work_until_killed(killed, clients))
        killed.start()

        for token in clients.tokens:
            pair = post("/api/auth/refresh", json={"refresh_token": token}).raise_for_status().json()
            assert killed.http.get("/api/auth/me", headers=bearer(pair)).status_code == 200
        listed = killed.http.get("/api/invites", params={"limit": 500}, headers=bearer(pair)).raise_for_status().json()
        still_open = {one["id"] for one in listed["items"]}
        assert not clients.accepted & still_open
        for id, token in clients.invites.items():
            again = post("/api/auth/register", json=account_of(id) | {"invite": token})
            assert again.status_code == (201 if id in still_open else 410), again.text
            assert post("/api/auth/login", json=account_of(id)).status_code == 200
        assert bakery.signed_up <= bakery.users()
        poll(lambda: bakery.welcomed() == bakery.users(), 60, "after_signup runs for each stored user")
