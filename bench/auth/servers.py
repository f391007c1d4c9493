"""The measured servers, with one collection of documents and with USERS end users who sign in."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from bench.data.pocketbase import VERSION
from bench.data.running import client, free_port, posted, running, until_up
from bench.data.work import ACCOUNT, DOCUMENT

USERS: Final = 8
READ: Final = 100  # There are this many documents to read.
PASSWORD: Final = "correct horse battery"
JSON: Final = {"content-type": "application/json"}


class Call(msgspec.Struct, frozen=True):
    """A request, which is sent to one of `paths` after the other."""

    method: str
    paths: tuple[str, ...]
    headers: dict[str, str]
    body: str = ""


class Server(msgspec.Struct, frozen=True):
    """A measured server. `read` reads a document. `logins` has the sign-in of each user. `me` reads, for each user, the
    user's own account. `refresh` refreshes a session; its body or its headers contain `TOKEN`. `token`: the member of
    an answer that is the next TOKEN. `notes`: remarks for the report.
    """

    name: str
    url: str
    read: Call
    logins: tuple[Call, ...]
    me: tuple[Call, ...]
    refresh: Call
    token: str
    notes: str


@contextmanager
def bunbase(home: Path) -> Iterator[Server]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"BUNBASE_PORT": str(port), "BUNBASE_DATA_DIR": str(home / "data")}
    with running([Path(sys.executable).with_name("bunbase"), "dev"], home, settings), client(url) as http:
        until_up(http, "/api/ready")
        http.headers["authorization"] = f"Bearer {posted(http, '/api/auth/register', ACCOUNT)['access_token']}"
        keys = {key["kind"]: key["key"] for key in posted(http, "/api/projects", {"name": "bench"})["keys"]}
        key = {"x-bunbase-key": keys["secret"]}  # With this key, limits for addresses do not apply.
        with client(url, key) as server:
            ids = tuple(posted(server, "/v1/data/posts", DOCUMENT)["_id"] for _ in range(READ))
            users = [posted(server, "/v1/auth/signup", _user(number)) for number in range(USERS)]
        yield Server(
            "BunBase",
            url,
            Call("GET", tuple(f"/v1/data/posts/{id}" for id in ids), key),
            tuple(Call("POST", ("/v1/auth/login",), key | JSON, json.dumps(_user(number))) for number in range(USERS)),
            tuple(
                Call("GET", ("/v1/auth/me",), key | {"authorization": f"Bearer {user['access_token']}"})
                for user in users
            ),
            Call("POST", ("/v1/auth/refresh",), key | JSON, '{"refresh_token": "TOKEN"}'),
            "refresh_token",
            f"BunBase: `bunbase dev`, Python {platform.python_version()}; argon2id (19 MiB, 2 passes); a sign-in and a"
            " refresh store a session, and a refresh replaces the token, which works once",
        )


@contextmanager
def pocketbase(home: Path, binary: Path) -> Iterator[Server]:
    port, directory = free_port(), f"--dir={home / 'pb_data'}"
    url, users = f"http://127.0.0.1:{port}", "/api/collections/users"
    subprocess.run(
        [binary, "superuser", "upsert", ACCOUNT["email"], ACCOUNT["password"], directory],
        check=True,
        capture_output=True,
    )
    with running([binary, "serve", f"--http=127.0.0.1:{port}", directory], home, {}), client(url) as http:
        until_up(http, "/api/health")
        owner = {"identity": ACCOUNT["email"], "password": ACCOUNT["password"]}
        signed_in = posted(http, "/api/collections/_superusers/auth-with-password", owner)
        http.headers["authorization"] = signed_in["token"]
        _posts(http)
        ids = tuple(posted(http, "/api/collections/posts/records", DOCUMENT)["id"] for _ in range(READ))
        people = []
        for number in range(USERS):
            user = _user(number)
            posted(http, f"{users}/records", user | {"passwordConfirm": PASSWORD})
            said = {"identity": user["email"], "password": PASSWORD}
            people.append((json.dumps(said), posted(http, f"{users}/auth-with-password", said)))
        yield Server(
            f"PocketBase {VERSION}",
            url,
            Call("GET", tuple(f"/api/collections/posts/records/{id}" for id in ids), {}),
            tuple(Call("POST", (f"{users}/auth-with-password",), JSON, said) for said, _ in people),
            tuple(
                Call("GET", (f"{users}/records/{answer['record']['id']}",), {"authorization": answer["token"]})
                for _, answer in people
            ),
            Call("POST", (f"{users}/auth-refresh",), {"authorization": "TOKEN"}),
            "token",
            f"PocketBase {VERSION}: default settings; bcrypt (cost 10); it stores no sessions: a refresh signs a new"
            " token, and the old one stays valid",
        )


def _posts(http: httpx.Client) -> None:
    types: dict[type, str] = {str: "text", int: "number", bool: "bool"}
    fields: list[dict[str, Any]] = [{"name": name, "type": types[type(value)]} for name, value in DOCUMENT.items()]
    rules = dict.fromkeys(("listRule", "viewRule", "createRule"), "")
    posted(http, "/api/collections", {"name": "posts", "type": "base", "fields": fields, **rules})


def _user(number: int) -> dict[str, str]:
    return {"email": f"user{number}@example.com", "password": PASSWORD}
