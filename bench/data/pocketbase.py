"""PocketBase with its default settings, and with the same documents, index and rule as BunBase."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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

VERSION = "0.36.8"
MODULE = f"github.com/pocketbase/pocketbase/examples/base@v{VERSION}"
JSON = {"content-type": "application/json"}
FIELD_TYPES = {str: "text", int: "number", bool: "bool"}
OPEN = ""
OWN = "@request.auth.id = owner"


@contextmanager
def pocketbase(home: Path, binary: Path) -> Iterator[Served]:
    port, directory = free_port(), f"--dir={home / 'pb_data'}"
    url = f"http://127.0.0.1:{port}"
    account = [ACCOUNT["email"], ACCOUNT["password"]]
    subprocess.run([binary, "superuser", "upsert", *account, directory], check=True, capture_output=True)
    with running([binary, "serve", f"--http=127.0.0.1:{port}", directory], home, {}), client(url) as http:
        until_up(http, "/api/health")
        token, _ = _signed_in(http, "_superusers")
        http.headers["authorization"] = token
        http.patch("/api/settings", json={"batch": {"enabled": True, "maxRequests": BATCH}}).raise_for_status()
        work = {**_open_work(http), **_user_work(http), **_counters(http)}
        (one,) = work["count one"].addresses
        yield Served(f"PocketBase {VERSION}", url, _notes(), work, lambda: read(http, one)["n"])


def _open_work(http: httpx.Client) -> dict[str, Requests]:
    _collection(http, "posts", DOCUMENT, OPEN)
    _fill(http, "posts", (DOCUMENT for _ in range(DOCUMENTS)))
    records = "/api/collections/posts/records"
    ids = [item["id"] for item in _page(http, records)]
    return {
        "get": Requests("GET", [f"{records}/{id}" for id in ids], {}),
        "list": Requests("GET", [f"{records}?perPage=20&skipTotal=1"], {}),
        "create": Requests("POST", [records], JSON, json.dumps(DOCUMENT)),
    }


def _user_work(http: httpx.Client) -> dict[str, Requests]:
    index = "CREATE INDEX notes_owner ON notes (owner)"
    _collection(http, "notes", {**DOCUMENT, "owner": ""}, OWN, index)
    for account in (ACCOUNT, WRITER):
        posted(http, "/api/collections/users/records", {**account, "passwordConfirm": account["password"]})
    token, user = _signed_in(http, "users")
    other, writer = _signed_in(http, "users", WRITER)
    ids = [f"note{number:011}" for number in range(NOTES)]  # An id of PocketBase has 15 characters.
    notes = ({**DOCUMENT, "id": id, "owner": owner_of(number, user)} for number, id in enumerate(ids))
    _fill(http, "notes", notes)
    headers, records = {"authorization": token}, "/api/collections/notes/records"
    note = {**DOCUMENT, "owner": writer}
    return {
        "user get": Requests("GET", [f"{records}/{id}" for id in ids[::OWNERS]], headers),
        "user list": Requests("GET", [f"{records}?perPage=20&skipTotal=1"], headers),
        "user total": Requests("GET", [f"{records}?perPage=20"], headers),
        "user create": Requests("POST", [records], {"authorization": other, **JSON}, json.dumps(note)),
    }


def _counters(http: httpx.Client) -> dict[str, Requests]:
    _collection(http, "counters", COUNTER, OPEN)
    _fill(http, "counters", (COUNTER for _ in range(DOCUMENTS)))
    records, body = "/api/collections/counters/records", '{"n+":1}'
    others = [f"{records}/{item['id']}" for item in _page(http, records)]
    one = posted(http, records, COUNTER)["id"]
    return {
        "count": Requests("PATCH", others, JSON, body),
        "count one": Requests("PATCH", [f"{records}/{one}"], JSON, body),
    }


def _signed_in(http: httpx.Client, collection: str, account: dict[str, str] = ACCOUNT) -> tuple[str, str]:
    said = {"identity": account["email"], "password": account["password"]}
    answer = posted(http, f"/api/collections/{collection}/auth-with-password", said)
    return answer["token"], answer["record"]["id"]


def _collection(http: httpx.Client, name: str, example: dict[str, Any], rule: str, *indexes: str) -> None:
    fields = [{"name": field, "type": FIELD_TYPES[type(value)]} for field, value in example.items()]
    rules = {f"{op}Rule": rule for op in ("list", "view", "create", "update")}
    posted(http, "/api/collections", {"name": name, "type": "base", "fields": fields, "indexes": indexes, **rules})


def _fill(http: httpx.Client, name: str, documents: Iterable[dict[str, Any]]) -> None:
    url = f"/api/collections/{name}/records"
    writes = [{"method": "POST", "url": url, "body": document} for document in documents]
    for start in range(0, len(writes), BATCH):
        posted(http, "/api/batch", {"requests": writes[start : start + BATCH]})


def _page(http: httpx.Client, records: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = read(http, f"{records}?perPage={DOCUMENTS}")["items"]
    return items


def _notes() -> str:
    return (
        f"PocketBase {VERSION}: default settings (WAL, synchronous=NORMAL: it does not wait for fsync);"
        " `skipTotal=1` on lists, except where the total is measured; not encrypted"
    )
