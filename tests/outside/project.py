"""A real server with one project, to which the suites send their cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.e2e.conftest import dev_instance
from tests.e2e.instance import SETUP_TOKEN, Instance, free_port

ACCOUNT = {"email": "ada@example.com", "password": "correct horse battery", "setup_token": SETUP_TOKEN}


class Project(msgspec.Struct, frozen=True):
    """`token`: the access token of the developer who owns the project. `s3_port`: the port for clients of S3."""

    instance: Instance
    id: str
    token: str
    secret: str
    publishable: str
    s3_port: int

    def send(self, method: str, path: str, body: Any = None, key: str = "", raw: bytes | None = None) -> httpx.Response:
        """Send a request with the secret key, or with `key`. `raw`: the body, if it must not be encoded."""
        content = raw if raw is not None else None if body is None else msgspec.json.encode(body)
        headers = {"X-Bunbase-Key": key or self.secret, "Content-Type": "application/json"}
        return self.instance.http.request(method, path, content=content, headers=headers)


@contextmanager
def running_project() -> Iterator[Project]:
    """Start a server, register a developer, and create a project."""
    with dev_instance() as instance:
        port = free_port()
        instance.commands["dev"][1].update({"BUNBASE_S3__ENABLED": "true", "BUNBASE_S3__PORT": str(port)})
        instance.start()
        account = instance.http.post("/api/auth/register", json=ACCOUNT).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {account['access_token']}"}
        made = instance.http.post("/api/projects", json={"name": "Suites"}, headers=bearer).raise_for_status().json()
        keys = {key["kind"]: key["key"] for key in made["keys"]}
        yield Project(instance, made["id"], account["access_token"], keys["secret"], keys["publishable"], port)


def program(python: Path, file: Path) -> tuple[str | Path, ...]:
    """Return the command that runs a file of this folder in the environment of the suites.

    `-P` keeps this folder out of the search path, because our `cel.py` would hide the package `cel` of cel-spec.
    """
    return (python, "-P", file)
