"""The servers to measure: BunBase through either lane, a small one in Go, PocketBase. Each on core SERVER_CORE."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

SERVER_CORE = "0"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
BUILD_SECONDS = 600.0
DOCUMENTS = 1000
DOCUMENT = {"title": "A document of some 400 bytes", "views": 12345, "draft": False, "text": "lorem ipsum " * 24}
PEER = Path(__file__).parents[1] / "peers" / "go"
POCKETBASE = "github.com/pocketbase/pocketbase/examples/base@v0.36.8"


@dataclass
class Served:
    """`ids`: documents that can be read; `one`, `all`: addresses of a document (before its id) and of a list of 20."""

    name: str
    url: str
    one: str
    all: str
    headers: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)


@contextmanager
def bunbase(home: Path, fast_lane: bool) -> Iterator[Served]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "BUNBASE_PORT": str(port),
        "BUNBASE_DATA_DIR": str(home / "data"),
        "BUNBASE_GATEWAY__FAST_LANE": str(fast_lane).lower(),
    }
    with _running([str(Path(sys.executable).with_name("bunbase")), "dev"], home, settings), _client(url) as http:
        _until_up(http, "/api/ready")
        account = {"email": "bench@example.com", "password": "correct horse battery"}
        token = http.post("/api/auth/register", json=account).raise_for_status().json()["access_token"]
        http.headers["authorization"] = f"Bearer {token}"
        keys = http.post("/api/projects", json={"name": "bench"}).raise_for_status().json()["keys"]
        headers = {"X-Bunbase-Key": next(key["key"] for key in keys if key["kind"] == "secret")}
        name = "BunBase, fast lane" if fast_lane else "BunBase, fast lane off"
        yield _filled(Served(name, url, "/v1/data/posts/", "/v1/data/posts?limit=20", headers), "_id")


@contextmanager
def go_peer(home: Path, binary: Path) -> Iterator[Served]:
    port, key = _free_port(), "sk_bench"
    url = f"http://127.0.0.1:{port}"
    command = [str(binary), f"127.0.0.1:{port}", str(home / "peer.db"), key]
    with _running(command, home, {"GOMAXPROCS": "1"}), _client(url) as http:
        _until_up(http, "/")
        headers = {"X-Bunbase-Key": key}
        yield _filled(Served("Go net/http + SQLite", url, "/v1/data/posts/", "/v1/data/posts", headers), "_id")


@contextmanager
def pocketbase(home: Path, binary: Path) -> Iterator[Served]:
    port, account = _free_port(), ("bench@example.com", "correct horse battery")
    url = f"http://127.0.0.1:{port}"
    directory = f"--dir={home / 'pb_data'}"
    subprocess.run([str(binary), "superuser", "upsert", *account, directory], check=True, capture_output=True)
    with _running([str(binary), "serve", f"--http=127.0.0.1:{port}", directory], home, {}), _client(url) as http:
        _until_up(http, "/api/health")
        said = {"identity": account[0], "password": account[1]}
        token = (
            http.post("/api/collections/_superusers/auth-with-password", json=said).raise_for_status().json()["token"]
        )
        kinds = {str: "text", int: "number", bool: "bool"}
        fields = [{"name": name, "type": kinds[type(value)]} for name, value in DOCUMENT.items()]
        rules = {f"{rule}Rule": "" for rule in ("list", "view", "create")}  # open to all: no rule costs it anything
        made = {"name": "posts", "type": "base", "fields": fields, **rules}
        http.post("/api/collections", json=made, headers={"authorization": token}).raise_for_status()
        records = "/api/collections/posts/records"
        yield _filled(Served("PocketBase 0.36.8", url, f"{records}/", f"{records}?perPage=20&skipTotal=1"), "id")


def built(directory: Path) -> tuple[Path | None, Path | None]:
    """Give the Go server and PocketBase, built into `directory`; None for what this machine cannot build."""
    if shutil.which("go") is None:
        return None, None
    peer, pb = directory / "peer", directory / "base"
    _build(["go", "build", "-o", str(peer), "."], {})
    _build(["go", "install", POCKETBASE], {"GOBIN": str(directory)})
    return (peer if peer.exists() else None), (pb if pb.exists() else None)


def _build(command: list[str], more: dict[str, str]) -> None:
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false", **more}
    done = subprocess.run(command, cwd=PEER, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode:
        sys.stderr.write(f"· {' '.join(command)} failed: {done.stderr[-300:]}\n")


def _filled(served: Served, id_field: str) -> Served:
    collection = served.one.rstrip("/")
    with _client(served.url) as http:
        for _ in range(DOCUMENTS):
            made = http.post(collection, json=DOCUMENT, headers=served.headers).raise_for_status()
            served.ids.append(made.json()[id_field])
    return served


@contextmanager
def _running(command: list[str], home: Path, more: dict[str, str]) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *command], cwd=home, env={**os.environ, **more}, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=30, trust_env=False)


def _until_up(http: httpx.Client, path: str) -> None:
    _poll(lambda: http.get(path).status_code < 500, START_SECONDS)


def _poll(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > end:
            raise TimeoutError("a server did not start in time")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
