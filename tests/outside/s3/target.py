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

from tests.e2e.instance import free_port
from tests.outside.project import Project

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
        port = free_port()
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


def bunbase(project: Project) -> Target:
    """Return the S3 port of a running BunBase, with credentials of its project and of another one."""
    bearer = {"Authorization": f"Bearer {project.token}"}
    http = project.instance.http
    other = http.post("/api/projects", json={"name": "Other"}, headers=bearer).raise_for_status().json()["id"]

    def credential(owner: str) -> Credential:
        place, new = f"/api/projects/{owner}/storage/credentials", {"name": "suites", "access": "write"}
        answer = http.post(place, json=new, headers=bearer).raise_for_status().json()
        return Credential(owner, answer["access_key_id"], answer["secret_access_key"])

    return Target("BunBase", "127.0.0.1", project.s3_port, credential(project.id), credential(other))


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
