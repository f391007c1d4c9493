"""BunBase with its default settings, as one of the measured servers."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from bench.data.running import client, free_port, posted, read, running, until_up
from bench.data.work import (
    ACCOUNT,
    BATCH,
    COUNTER,
    DOCUMENT,
    DOCUMENTS,
    NOTES,
    OWNERS,
    WRITER,
    Requests,
    Served,
    owner_of,
)

JSON = {"content-type": "application/json"}
OWN = "auth.uid == doc.owner"
RULES = {"list": OWN, "get": OWN, "create": "auth.uid == next.owner"}
NOTES_SET_UP = {"indexes": [{"name": "owner", "fields": ["owner"]}], "rules": RULES}


@contextmanager
def bunbase(home: Path, fast_lane: bool) -> Iterator[Served]:
    """Yield BunBase with the fast lane (routes without ASGI) and all work, or without it and only with its work."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "BUNBASE_PORT": str(port),
        "BUNBASE_DATA_DIR": str(home / "data"),
        "BUNBASE_GATEWAY__FAST_LANE": str(fast_lane).lower(),
    }
    with running([Path(sys.executable).with_name("bunbase"), "dev"], home, settings), client(url) as http:
        until_up(http, "/api/ready")
        http.headers["authorization"] = f"Bearer {posted(http, '/api/auth/register', ACCOUNT)['access_token']}"
        keys = {key["kind"]: key["key"] for key in posted(http, "/api/projects", {"name": "bench"})["keys"]}
        with client(url, {"x-bunbase-key": keys["secret"]}) as server:
            if fast_lane:
                work = {**_open_work(server), **_user_work(server, keys["publishable"]), **_counters(server)}
                yield Served("BunBase", url, _notes(), work, lambda: read(server, "/v1/data/counters/one")["n"])
            else:
                yield Served("BunBase, fast lane off", url, "", _open_work(server))


def _open_work(server: httpx.Client) -> dict[str, Requests]:
    ids = [f"post{number}" for number in range(DOCUMENTS)]
    _fill(server, "posts", ({**DOCUMENT, "_id": id} for id in ids))
    key = {"x-bunbase-key": server.headers["x-bunbase-key"]}
    return {
        "get": Requests("GET", [f"/v1/data/posts/{id}" for id in ids], key),
        "list": Requests("GET", ["/v1/data/posts?limit=20"], key),
        "create": Requests("POST", ["/v1/data/posts"], {**key, **JSON}, json.dumps(DOCUMENT)),
    }


def _user_work(server: httpx.Client, key: str) -> dict[str, Requests]:
    """Return the work of end users, without the requests that this version of BunBase refuses."""
    server.put("/v1/collections/notes", json=NOTES_SET_UP).raise_for_status()
    with client(str(server.base_url), {"x-bunbase-key": key}) as anybody:
        signed_in = posted(anybody, "/v1/auth/signup", ACCOUNT)
        writer = posted(anybody, "/v1/auth/signup", WRITER)
    uid = signed_in["user"]["id"]
    note = {**DOCUMENT, "owner": writer["user"]["id"]}
    notes = ({**DOCUMENT, "_id": f"note{number}", "owner": owner_of(number, uid)} for number in range(NOTES))
    _fill(server, "notes", notes)
    user = {"x-bunbase-key": key, "authorization": f"Bearer {signed_in['access_token']}"}
    other = {**user, "authorization": f"Bearer {writer['access_token']}", **JSON}
    own = [f"/v1/data/notes/note{number}" for number in range(0, NOTES, OWNERS)]
    work = {
        "user get": Requests("GET", own, user),
        "user list": Requests("GET", ["/v1/data/notes?limit=20"], user),
        "user total": Requests("GET", ["/v1/data/notes?limit=20&count=true"], user),
        "user create": Requests("POST", ["/v1/data/notes"], other, json.dumps(note)),
    }
    return {name: requests for name, requests in work.items() if _answered(server, requests)}


def _answered(server: httpx.Client, requests: Requests) -> bool:
    with client(str(server.base_url), requests.headers) as user:
        return user.request(requests.method, requests.addresses[0], content=requests.body).is_success


def _counters(server: httpx.Client) -> dict[str, Requests]:
    ids = ["one", *(f"counter{number}" for number in range(DOCUMENTS))]
    _fill(server, "counters", ({**COUNTER, "_id": id} for id in ids))
    headers = {"x-bunbase-key": server.headers["x-bunbase-key"], **JSON}
    one, *others = (f"/v1/data/counters/{id}" for id in ids)
    body = '{"$inc":{"n":1}}'
    return {
        "count": Requests("PATCH", others, headers, body),
        "count one": Requests("PATCH", [one], headers, body),
    }


def _fill(server: httpx.Client, collection: str, documents: Iterable[dict[str, Any]]) -> None:
    writes = [{"op": "create", "collection": collection, "data": document} for document in documents]
    for start in range(0, len(writes), BATCH):
        posted(server, "/v1/commit", {"writes": writes[start : start + BATCH]})


def _notes() -> str:
    return (
        f"BunBase: `bunbase dev`, Python {platform.python_version()}, uvicorn {version('uvicorn')}, apsw-sqlite3mc"
        f" {version('apsw-sqlite3mc')}; pages encrypted (ChaCha20), key checked, one log line per request, writes wait"
        " for fsync (group commit) and are in the change log"
    )
