"""The running servers of these tests: one BunBase with two projects, a proxy that fails on purpose, a strict server."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from tests.e2e.instance import Instance

ROOT: Final = Path(__file__).parents[2]
SDK: Final = ROOT / "sdk/js"
PROGRAMS: Final = Path(__file__).parent / "programs"
ESBUILD: Final = ROOT / "node_modules/.bin/esbuild"
BUN: Final = ROOT / "node_modules/.bin/bun"
ENTRIES: Final = (
    "index",
    "auth/index",
    "data/index",
    "files/index",
    "functions/index",
    "live/index",
    "server/index",
    "react/index",
    "testing/index",
)
CLAIM: Final = re.compile(r'^\s*claim\(\s*"([^"]+)"', re.MULTILINE)
OWN_FILES: Final = {
    "create": "auth != null",
    **dict.fromkeys(("list", "get", "update", "delete"), "object.owner == auth.uid"),
}
RULES: Final = dict.fromkeys(("list", "get", "create", "update", "delete"), "auth != null")
ECHO: Final = """
exports.default = async (request, ctx) => {
  const { pathname, search } = new URL(request.url);
  if (pathname === "/empty") return undefined;
  if (pathname === "/text") return new Response("plain");
  if (pathname === "/teapot") return new Response("short and stout", { status: 418 });
  if (pathname === "/problem") return Response.json({ code: "sold_out", detail: "Nothing is left." }, { status: 409 });
  if (pathname === "/throw") throw new Error("boom");
  const email = ctx.caller && ctx.caller.email;
  const shown = { method: request.method, path: pathname + search, body: await request.text(), email };
  const text = JSON.stringify(shown).replace(/}$/, ',"big":9223372036854775807}');
  return new Response(text, { headers: { "Content-Type": "application/json" } });
};
"""


class Site(msgspec.Struct, frozen=True):
    """A project of the running server.

    `other_key` is the key of another project, and `developer` is the owner's token.
    """

    url: str
    key: str
    secret: str
    project: str
    other_key: str
    developer: str

    @property
    def environment(self) -> dict[str, str]:
        mails = f"{self.url}/api/dev/mail?project={self.project}"
        known = {"url": self.url, "key": self.key, "otherKey": self.other_key, "mails": mails}
        return known | {"project": self.project, "secret": self.secret}

    def with_buckets(self) -> dict[str, str]:
        """Make the buckets `mine-<run>`, `open-<run>` and `pictures-<run>`, and return the environment with `run`."""
        run = secrets.token_hex(4)
        pictures = {"max_bytes": 100, "mime": ["image/*"]}
        for name, more in (("mine", {"max_bytes": 20_000_000}), ("open", {"public": True}), ("pictures", pictures)):
            new = {"name": f"{name}-{run}", "rules": OWN_FILES, **more}
            headers = {"X-Bunbase-Key": self.secret}
            httpx.post(f"{self.url}/v1/storage/buckets", json=new, headers=headers).raise_for_status()
        return self.environment | {"run": run}

    def change_settings(self, **patch: Any) -> None:
        """Apply a merge patch to the project's settings for its users."""
        headers = {"Authorization": f"Bearer {self.developer}"}
        httpx.patch(f"{self.url}/api/projects/{self.project}/auth", json=patch, headers=headers).raise_for_status()

    def mails(self, to: str) -> list[str]:
        """Return the texts of all mails, and text messages, to an address, newest first."""
        asked = {"project": self.project, "to": to}
        items = httpx.get(f"{self.url}/api/dev/mail", params=asked).raise_for_status().json()["items"]
        return [item["text"] for item in items]


def prepared(instance: Instance) -> Site:
    """Register a developer, and make two projects with collections, rules, settings and the function `echo`."""

    def send(method: str, path: str, **what: Any) -> Any:
        headers = what.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        return instance.http.request(method, path, headers=headers, **what).raise_for_status().json()

    token = ""
    account = {"email": "ada@example.com", "password": "correct horse battery"}
    token = send("POST", "/api/auth/register", json=account)["access_token"]
    project, other = (send("POST", "/api/projects", json={"name": name}) for name in ("Bakery", "Butcher"))
    keys = {key["kind"]: key["key"] for key in project["keys"]}
    other_key = next(key["key"] for key in other["keys"] if key["kind"] == "publishable")
    at = f"/api/projects/{project['id']}"
    settings = {"anonymous": {"enabled": True}, "redirect_urls": ["http://127.0.0.1"], "cookies": True}
    send("PATCH", f"{at}/auth", json=settings)
    for collection in ("posts", "notes"):
        send(
            "PUT", f"/v1/collections/{collection}", json={"rules": RULES}, headers={"X-Bunbase-Project": project["id"]}
        )
    send(
        "POST",
        "/v1/storage/buckets",
        json={"name": "photos", "rules": OWN_FILES},
        headers={"X-Bunbase-Project": project["id"]},
    )
    template: list[str | Path] = [ESBUILD, ROOT / "src/bunbase/cli/templates/hello.ts", "--format=cjs"]
    hello = subprocess.run(template, capture_output=True, text=True, check=True).stdout
    for name, bundle in (("echo", ECHO), ("hello", hello)):
        send(
            "PUT",
            f"{at}/functions/{name}",
            files={"bundle": (f"{name}.js", bundle), "config": (None, '{"access":"key"}')},
        )
    return Site(instance.url, keys["publishable"], keys["secret"], project["id"], other_key, token)


def bundles(folder: Path, minify: bool = False) -> Path:
    """Bundle every entry of the client, like an app. Shared parts are in separate files."""
    sources = [SDK / f"src/{entry}.ts" for entry in ENTRIES]
    options = [
        "--bundle",
        "--splitting",
        "--format=esm",
        "--target=es2022",
        f"--outbase={SDK / 'src'}",
        f"--outdir={folder}",
    ]
    subprocess.run(
        [ESBUILD, *sources, *options, "--log-level=warning", *(["--minify"] if minify else [])], check=True, cwd=ROOT
    )
    return folder


def claims_of(program: str, programs: Path = PROGRAMS) -> list[str]:
    return CLAIM.findall((programs / f"{program}.mjs").read_text())


def run_program(
    command: list[str | Path],
    program: str,
    folder: Path,
    environment: dict[str, str],
    programs: Path = PROGRAMS,
    seconds: int = 120,
) -> dict[str, str]:
    """Run a program with a JavaScript runtime. Return the claims that failed. The process must end by itself."""
    given = msgspec.json.encode(environment).decode()
    ran = subprocess.run(
        [*command, PROGRAMS / "run.mjs", programs / f"{program}.mjs", folder, given],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=folder,
    )
    assert ran.returncode == 0, ran.stderr
    return failures(program, msgspec.json.decode(ran.stdout.splitlines()[-1]), programs)


def failures(program: str, results: dict[str, str], programs: Path = PROGRAMS) -> dict[str, str]:
    """Return the claims that failed. Assert that every claim of the program was checked."""
    assert list(results) == claims_of(program, programs)
    return {claim: error for claim, error in results.items() if error}


def short_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="bb-sdk-", dir="/tmp"))


def removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
