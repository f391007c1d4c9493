"""An S3 server under test: BunBase, or versitygw for comparison."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tests.e2e.conftest import dev_instance
from tests.outside.project import ACCOUNT

START_SECONDS: Final = 30.0
ROOT: Final = {"ROOT_ACCESS_KEY": "rootrootroot", "ROOT_SECRET_KEY": "rootsecretrootsecret"}


class Credential(msgspec.Struct, frozen=True):
    """`owner`: the id of the owner in access control lists."""

    owner: str
    access_key: str
    secret: str


class Target(msgspec.Struct, frozen=True):
    """`main`, `alt`: the credentials of two owners, which see none of each other's buckets."""

    name: str
    host: str
    port: int
    main: Credential
    alt: Credential

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@contextmanager
def versitygw(binary: Path) -> Iterator[Target]:
    """Start versitygw with an empty folder and two users."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        for name in ("iam", "data"):
            (home / name).mkdir()
        port = _free_port()
        target = Target(
            "versitygw 1.8.0",
            "127.0.0.1",
            port,
            Credential("mainmainmain", "mainmainmain", "mainsecretmainsecret"),
            Credential("altaltaltalt", "altaltaltalt", "altsecretaltsecret"),
        )
        command = (binary, "--port", f"127.0.0.1:{port}", "--iam-dir", home / "iam", "posix", home / "data")
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(command, env={**os.environ, **ROOT}, stdout=log, stderr=log)
        try:
            _wait_for(port)
            for one in (target.main, target.alt):
                root = ("--access", ROOT["ROOT_ACCESS_KEY"], "--secret", ROOT["ROOT_SECRET_KEY"])
                user = ("create-user", "--role", "admin", "--access", one.access_key, "--secret", one.secret)
                subprocess.run(
                    (binary, "admin", *root, "--endpoint-url", target.url, *user),
                    check=True,
                    timeout=START_SECONDS,
                    stdout=subprocess.DEVNULL,
                )
            yield target
        finally:
            server.terminate()
            server.wait(START_SECONDS)


@contextmanager
def bunbase() -> Iterator[Target]:
    """Start BunBase with the S3 port open, and two projects of one developer."""
    with dev_instance() as instance:
        port = _free_port()
        instance.commands["dev"][1].update({"BUNBASE_S3__ENABLED": "true", "BUNBASE_S3__PORT": str(port)})
        instance.start()
        account = instance.http.post("/api/auth/register", json=ACCOUNT).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {account['access_token']}"}

        def credential(name: str) -> Credential:
            made = instance.http.post("/api/projects", json={"name": name}, headers=bearer).raise_for_status().json()
            place = f"/api/projects/{made['id']}/storage/credentials"
            created = instance.http.post(place, json={"name": "suites", "access": "write"}, headers=bearer)
            answer = created.raise_for_status().json()
            return Credential(made["id"], answer["access_key_id"], answer["secret_access_key"])

        yield Target("BunBase", "127.0.0.1", port, credential("Main"), credential("Alt"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
