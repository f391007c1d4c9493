"""The measured servers: BunBase with a function that answers `hello`, bare Bun and workerd with the same answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench.data.running import client, free_port, posted, running, until_up
from bench.data.work import ACCOUNT

CORES: Final = ("taskset", "-c", "0,1")  # Servers and load share these two cores.
BIN: Final = Path(sys.executable).parent
BUN: Final = Path(__file__).parents[2] / "node_modules" / ".bin" / "bun"
WORKERD: Final = "1.20261117.1"
INSTALL_SECONDS: Final = 120

HELLO: Final = "module.exports.default = () => new Response('hello');\n"
BUN_HELLO: Final = "Bun.serve({ port: %d, hostname: '127.0.0.1', fetch: () => new Response('hello') });\n"
WORKERD_HELLO: Final = "export default { fetch() { return new Response('hello') } };\n"
WORKERD_CONFIG: Final = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "hello", worker = (modules = [(name = "hello", esModule = embed "hello.js")],
    compatibilityDate = "2026-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "hello")],
);
"""


@dataclass(frozen=True)
class Served:
    """A running server. `path`, `headers`: the path and the headers of the measured call."""

    name: str
    url: str
    path: str
    headers: dict[str, str]


class BunBase:
    """A running BunBase server with one project."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        self.url = url
        self.http = http
        http.headers["authorization"] = f"Bearer {posted(http, '/api/auth/register', ACCOUNT)['access_token']}"
        made = posted(http, "/api/projects", {"name": "bench"})
        self.at = f"/api/projects/{made.get('project', made)['id']}"
        self.key = {"x-bunbase-key": next(key["key"] for key in made["keys"] if key["kind"] == "secret")}

    def deploy(self, name: str, code: str) -> None:
        files: Any = {"bundle": ("bundle.js", code.encode()), "config": (None, b'{"concurrency": 32}')}
        self.http.put(f"{self.at}/functions/{name}", files=files).raise_for_status()

    def served(self, name: str) -> Served:
        return Served("BunBase", self.url, f"/v1/functions/{name}", self.key)


@contextmanager
def bunbase(home: Path, **settings: str) -> Iterator[BunBase]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    more = {"BUNBASE_PORT": str(port), "BUNBASE_DATA_DIR": str(home / "data"), **settings}
    with running([*CORES, BIN / "bunbase", "dev"], home, more), client(url) as http:
        until_up(http, "/api/ready")
        yield BunBase(url, http)


@contextmanager
def bare_bun(home: Path) -> Iterator[Served]:
    port = free_port()
    home.mkdir()
    (home / "hello.js").write_text(BUN_HELLO % port)
    yield from _answering("bare Bun", port, home, [BUN, "hello.js"])


@contextmanager
def workerd(home: Path) -> Iterator[Served | None]:
    """Yield a running workerd, or None if npm cannot install workerd."""
    home.mkdir()
    if not _installed(home):
        yield None
        return
    port = free_port()
    (home / "hello.js").write_text(WORKERD_HELLO)
    (home / "config.capnp").write_text(WORKERD_CONFIG % port)
    command = [home / "node_modules" / ".bin" / "workerd", "serve", "config.capnp"]
    yield from _answering(f"workerd {WORKERD}", port, home, command)


def _answering(name: str, port: int, home: Path, command: list[Any]) -> Iterator[Served]:
    url = f"http://127.0.0.1:{port}"
    with running([*CORES, *command], home, {}), client(url) as http:
        until_up(http, "/")
        yield Served(name, url, "/", {})


def _installed(home: Path) -> bool:
    if shutil.which("npm") is None:
        return False
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), f"workerd@{WORKERD}"]
    return subprocess.run(command, timeout=INSTALL_SECONDS, check=False).returncode == 0
