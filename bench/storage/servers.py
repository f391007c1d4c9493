"""The measured servers: BunBase, versitygw with a folder, and the server of moto, which is the floor."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.data.running import client, free_port, poll, posted, running, until_up
from bench.data.work import ACCOUNT
from bench.storage.signing import sdk
from bench.storage.work import BUCKET, GROUPS, IN_GROUP, MILLION, Server, Target

VERSITYGW: Final = "1.8.0"
VERSITYGW_MODULE: Final = f"github.com/versity/versitygw/cmd/versitygw@v{VERSITYGW}"
MOTO: Final = "5.2.5"
INSTALL_SECONDS: Final = 300.0
FILL_SECONDS: Final = 600.0
ACCESS_KEY, SECRET = "bench-access-key", "bench secret key of forty characters 0123"


@contextmanager
def bunbase(home: Path) -> Iterator[Server]:
    port, s3_port = free_port(), free_port()
    url, data, beats = f"http://127.0.0.1:{port}", str(home / "data"), home / "beats"
    settings = {
        "BUNBASE_PORT": str(port),
        "BUNBASE_DATA_DIR": data,
        "BUNBASE_S3__ENABLED": "true",
        "BUNBASE_S3__PORT": str(s3_port),
        "BENCH_BEATS": str(beats),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with running([sys.executable, "-m", "bench.storage.server"], home, settings), client(url) as http:
        until_up(http, "/api/ready")
        http.headers["authorization"] = f"Bearer {posted(http, '/api/auth/register', ACCOUNT)['access_token']}"
        made = posted(http, "/api/projects", {"name": "bench"})
        keys = {key["kind"]: key["key"] for key in made["keys"]}
        project = made.get("id") or made["project"]["id"]
        credential = posted(http, f"/api/projects/{project}/storage/credentials", {"name": "bench"})
        with client(url, {"x-bunbase-key": keys["secret"]}) as server:
            posted(server, "/v1/storage/buckets", {"name": BUCKET})
            server.timeout = FILL_SECONDS
            posted(server, "/v1/storage/buckets", {"name": MILLION})
        names = credential["access_key_id"], credential["secret_access_key"]
        yield Server(
            "BunBase",
            data,
            (
                Target("BunBase, HTTP API", url, key=keys["secret"]),
                Target("BunBase, S3", f"http://127.0.0.1:{s3_port}", *names),
            ),
            f"BunBase: `bunbase dev`, all rooms in one process, Python {platform.python_version()}, obstore"
            f" {version('obstore')}; blobs are encrypted (AES-256-GCM); an upload waits for fsync of the file, of its"
            " directory and of the encrypted list of objects, and is in the change log; one log line for each request;"
            " a timer of 1 ms watches the event loop",
            beats=beats,
        )


@contextmanager
def versitygw(home: Path, binary: Path) -> Iterator[Server]:
    port, folder, accounts = free_port(), home / "objects", home / "accounts"
    url = f"http://127.0.0.1:{port}"
    for path in (folder, accounts):
        path.mkdir(parents=True)
    command: list[str | Path] = [
        binary,
        "--port",
        f"127.0.0.1:{port}",
        "--quiet",
        "--keep-alive",
        "--iam-dir",
        accounts,
    ]
    names = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET}
    with running([*command, "posix", folder], home, names):
        target = Target(f"versitygw {VERSITYGW}", url, ACCESS_KEY, SECRET)
        _create_buckets(target, BUCKET, MILLION)
        _fill_folder(folder / MILLION)
        yield Server(
            target.name,
            str(folder),
            (target,),
            f"versitygw {VERSITYGW}: POSIX folder, `--keep-alive`, GOMAXPROCS=1; not encrypted; it calls"
            " no fsync (there is no call in its source), so an object may be lost in a power failure",
        )


@contextmanager
def moto(home: Path, environment: Path) -> Iterator[Server]:
    port = free_port()
    target = Target(f"moto {MOTO}", f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET)
    command: list[str | Path] = [environment / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, home, {"BENCH_HOME": str(home)}):
        _create_buckets(target, BUCKET)
        notes = f"moto {MOTO}: its own server (werkzeug); objects are only in memory; it checks no signature"
        yield Server(target.name, str(home), (target,), notes, raw=False, has_million=False)


def moto_installed(environment: Path) -> bool:
    """Install moto into a virtual environment of its own; return True if this succeeded."""
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", environment],
        [environment / "bin" / "pip", "install", "--quiet", f"moto[server,s3]=={MOTO}"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if done.returncode:
            sys.stderr.write(f"· moto could not be installed: {done.stderr[-300:]}\n")
            return False
    return True


def _create_buckets(target: Target, *names: str) -> None:
    s3 = sdk(target)

    def answers() -> bool:
        try:
            s3.list_buckets()
        except Exception:
            return False
        return True

    poll(answers)
    for name in names:
        s3.create_bucket(Bucket=name)


def _fill_folder(bucket: Path) -> None:
    """Create the objects as files, as another program does that shares the folder with versitygw."""
    for group in range(GROUPS):
        folder = bucket / f"group{group:04}"
        folder.mkdir()
        for number in range(IN_GROUP):
            os.mknod(f"{folder}/key{number:04}")
