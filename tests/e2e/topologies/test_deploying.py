"""Deploy a function while clients call it, with all rooms in one process and in five."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import httpx

from bunbase.pkg.ids import new_id
from tests.e2e.instance import SETUP_TOKEN, Instance, poll

CALLERS = 4
DEPLOYS = 20
CODE = "module.exports.default = async () => { await Bun.sleep(3); return new Response('version %d') }"


class Callers:
    """Threads that call a function again and again and record unexpected answers."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self.seen: set[str] = set()
        self.count = 0
        self.failed: list[Any] = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self) -> Callers:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _call(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as http:
            while not self.stopping.is_set():
                try:
                    reply = http.get("/v1/functions/busy", headers={"x-bunbase-key": self.key})
                except httpx.TransportError as error:
                    self.failed.append(error)
                    continue
                if reply.text != f"version {reply.headers.get('x-bunbase-function-version')}":
                    self.failed.append((reply.status_code, reply.text))
                self.seen.add(reply.text)
                self.count += 1


def test_twenty_deploys_under_load_fail_no_request(instance: Instance) -> None:
    http = instance.http
    account = {"email": f"{new_id('who')}@example.com", "password": "correct horse battery", "setup_token": SETUP_TOKEN}
    token = http.post("/api/auth/register", json=account).raise_for_status().json()["access_token"]
    developer = {"authorization": f"Bearer {token}"}
    made = http.post("/api/projects", json={"name": "Busy"}, headers=developer).raise_for_status().json()
    secret = next(key["key"] for key in made["keys"] if key["kind"] == "secret")

    def deploy(number: int) -> None:
        path = f"/api/projects/{made['id']}/functions/busy"
        reply = http.put(path, files={"bundle": ("busy.js", CODE % number)}, headers=developer)
        assert reply.raise_for_status().json()["version"] == number

    deploy(1)
    with Callers(instance.url, secret) as callers:
        for number in range(2, DEPLOYS + 2):
            deploy(number)
            if number % 5 == 0:  # The other deployments follow each other without a pause.
                poll(partial(callers.seen.__contains__, f"version {number}"))
        poll(lambda: f"version {DEPLOYS + 1}" in callers.seen)

    assert callers.failed == []
    assert callers.count > DEPLOYS
