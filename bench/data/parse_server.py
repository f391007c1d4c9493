"""Parse Server from npm, installed only for this run, with its own PostgreSQL on the same core.

Parse Server has no rules that filter lists. Instead, each of its documents has an access list, which replaces BunBase's
rule on `owner`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from bench.data.running import client, free_port, poll, posted, read, running, until_up
from bench.data.work import ACCOUNT, COUNTER, DOCUMENT, DOCUMENTS, NOTES, OWNERS, WRITER, Requests, Served
from bunbase.pkg.postgres.account import account_for
from bunbase.pkg.postgres.binaries import find_binaries, within_reach

PACKAGES = ("parse-server@9", "express@5")
INSTALL_SECONDS = 300.0
APP = "bench"
KEY = {"x-parse-application-id": APP}
JSON = {"content-type": "application/json"}
MULTIPLY = f"""
INSERT INTO "Note" ("objectId", "createdAt", "updatedAt", title, views, draft, text, owner, _rperm, _wperm)
SELECT 'note' || n, "createdAt", "updatedAt", title, views, draft, text, whose, ARRAY[whose], ARRAY[whose]
FROM "Note", generate_series(0, {NOTES - 1}) AS n,
     LATERAL (SELECT CASE WHEN n % {OWNERS} = 0 THEN $1 ELSE 'owner' || n % {OWNERS} END AS whose) AS owners"""
SERVER = """
const express = require('express'), { ParseServer } = require('parse-server');
const [port, databaseURI] = process.argv.slice(2), serverURL = `http://127.0.0.1:${port}/parse`;
const parse = new ParseServer({ databaseURI, serverURL, appId: 'bench', masterKey: 'bench', logLevel: 'error',
  silent: true, allowClientClassCreation: true, enforcePrivateUsers: true });
parse.start().then(() => express().use('/parse', parse.app).listen(Number(port), '127.0.0.1'));
"""


def installed(directory: Path) -> bool:
    """Install Parse Server into `directory`; return True if this succeeded."""
    if shutil.which("npm") is None:
        return False
    directory.mkdir()
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", ".", *PACKAGES]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        sys.stderr.write(f"· Parse Server could not be installed: {done.stderr[-300:]}\n")
    return not done.returncode


@contextmanager
def parse_server(home: Path, packages: Path) -> Iterator[Served]:
    port, main = free_port(), packages / "bench.js"
    main.write_text(SERVER)
    version = json.loads((packages / "node_modules/parse-server/package.json").read_text())["version"]
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        database, postgres = stack.enter_context(_postgres(home / "postgres"))
        stack.enter_context(running(["node", main, str(port), database], home, {"NODE_ENV": "production"}))
        http = stack.enter_context(client(url, KEY))
        until_up(http, "/parse/health")
        work = {**_open_work(http), **_user_work(http, database), **_counters(http)}
        (one,) = work["count one"].addresses
        notes = f"Parse Server {version}: PostgreSQL {postgres} on the same core (it waits for fsync); not encrypted"
        yield Served(f"Parse Server {version}", url, notes, work, lambda: read(http, one)["n"])


def _open_work(http: httpx.Client) -> dict[str, Requests]:
    ids, records = _fill(http, "Post", DOCUMENT), "/parse/classes/Post"
    return {
        "get": Requests("GET", [f"{records}/{id}" for id in ids], KEY),
        "list": Requests("GET", [f"{records}?limit=20"], KEY),
        "create": Requests("POST", [records], {**KEY, **JSON}, json.dumps(DOCUMENT)),
    }


def _user_work(http: httpx.Client, database: str) -> dict[str, Requests]:
    signed_up, writer = (
        posted(http, "/parse/users", {"username": account["email"], "password": account["password"]})
        for account in (ACCOUNT, WRITER)
    )
    user = signed_up["objectId"]
    headers, records = {**KEY, "x-parse-session-token": signed_up["sessionToken"]}, "/parse/classes/Note"
    http.post(records, json=_note(user), headers=headers).raise_for_status()
    other = {**KEY, "x-parse-session-token": writer["sessionToken"], **JSON}
    ids = asyncio.run(_multiply(database, user))
    return {
        "user get": Requests("GET", [f"{records}/{id}" for id in ids], headers),
        "user list": Requests("GET", [f"{records}?limit=20"], headers),
        "user total": Requests("GET", [f"{records}?limit=20&count=1"], headers),
        "user create": Requests("POST", [records], other, json.dumps(_note(writer["objectId"]))),
    }


def _note(owner: str) -> dict[str, Any]:
    return {**DOCUMENT, "owner": owner, "ACL": {owner: {"read": True, "write": True}}}


def _counters(http: httpx.Client) -> dict[str, Requests]:
    one, *others = (f"/parse/classes/Counter/{id}" for id in _fill(http, "Counter", COUNTER))
    headers, body = {**KEY, **JSON}, '{"n":{"__op":"Increment","amount":1}}'
    return {"count": Requests("PUT", others, headers, body), "count one": Requests("PUT", [one], headers, body)}


def _fill(http: httpx.Client, name: str, example: dict[str, Any]) -> list[str]:
    return [posted(http, f"/parse/classes/{name}", example)["objectId"] for _ in range(DOCUMENTS)]


async def _multiply(database: str, user: str) -> list[str]:
    """Copy one note many times with SQL, because requests would take minutes. Return the user's notes."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(MULTIPLY, user)
        await connection.execute('CREATE INDEX notes_owner ON "Note" USING gin (_rperm)')
        await connection.execute('ANALYZE "Note"')
    finally:
        await connection.close()
    return [f"note{number}" for number in range(0, NOTES, OWNERS)]


@contextmanager
def _postgres(home: Path) -> Iterator[tuple[str, str]]:
    """Yield the address of a new database, and PostgreSQL's version. The address is TCP, which Parse Server needs."""
    home.mkdir(parents=True)
    account, port = account_for(home), free_port()
    binaries = within_reach(find_binaries(), account, home.parent)
    data = home / "data"
    if account.drops_root:
        shutil.chown(home, account.uid, account.gid)
    create: list[str | Path] = [binaries.bin / "initdb", "-D", data, "-U", APP, "-A", "trust", "-E", "UTF8"]
    subprocess.run(create, check=True, capture_output=True, cwd=home, **account.become)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", "", "-c", "shared_buffers=128MB"]
    with running([binaries.bin / "postgres", "-D", data, *options], home, {}, **account.become):
        poll(lambda: (data / "postmaster.pid").read_text().rstrip().endswith("ready"))
        yield f"postgres://{APP}@127.0.0.1:{port}/postgres", binaries.version
