"""A small server written in Go. The benchmark builds it if Go is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.data.running import client, free_port, posted, running, until_up
from bench.data.work import DOCUMENT, DOCUMENTS, Requests, Served

PEER = Path(__file__).parents[1] / "peers" / "go"
BUILD_SECONDS = 600.0
KEY = {"x-bunbase-key": "sk_bench"}


@contextmanager
def go_peer(home: Path, binary: Path) -> Iterator[Served]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [binary, f"127.0.0.1:{port}", home / "peer.db", KEY["x-bunbase-key"]]
    with running(command, home, {"GOMAXPROCS": "1"}), client(url, KEY) as http:
        until_up(http, "/")
        ids = [posted(http, "/v1/data/posts", DOCUMENT)["_id"] for _ in range(DOCUMENTS)]
        work = {
            "get": Requests("GET", [f"/v1/data/posts/{id}" for id in ids], KEY),
            "list": Requests("GET", ["/v1/data/posts"], KEY),
            "create": Requests("POST", ["/v1/data/posts"], KEY, json.dumps(DOCUMENT)),
        }
        yield Served("Go net/http + SQLite", url, _notes(), work)


def built(directory: Path, *command: str) -> bool:
    """Run a Go command that installs programs in `directory`; True if it succeeded."""
    if shutil.which("go") is None:
        return False
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOBIN": str(directory)}
    done = subprocess.run(
        ["go", *command], cwd=PEER, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    if done.returncode:
        sys.stderr.write(f"· go {' '.join(command)} failed: {done.stderr[-300:]}\n")
    return not done.returncode


def _notes() -> str:
    go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    module = next(line for line in (PEER / "go.mod").read_text().splitlines() if "modernc.org/sqlite" in line)
    return (
        f"Go server (bench/peers/go): {go}, {' '.join(module.split()[-2:])}, GOMAXPROCS=1, WAL, synchronous=FULL, 64 MB"
        " cache; not encrypted, no log, no change log, no rules"
    )
