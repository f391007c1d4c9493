"""Programs that follow live queries beside a test, and the project that they follow."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.e2e.instance import Instance
from tests.e2e.topologies.conftest import ROOT as ADMIN

PROGRAMS: Final = Path(__file__).parent / "programs"
OPEN: Final = {"list": "true", "get": "true"}


@contextmanager
def running(*command: str | Path) -> Iterator[list[str]]:
    """Yield the lines that a program prints, while it runs."""
    with following(*command) as (_, lines):
        yield lines


@contextmanager
def following(*command: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the id of a program that runs, and the lines that it prints."""
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROGRAMS) as program:
        assert program.stdout is not None
        output = program.stdout
        reading = threading.Thread(target=lambda: lines.extend(line.rstrip("\n") for line in output))
        reading.start()
        try:
            yield program.pid, lines
        finally:
            program.kill()
            reading.join()


class Open:
    """A new project whose collection `posts` everybody may read. The instance has no account yet."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        account = instance.http.post("/api/auth/register", json=ADMIN).raise_for_status().json()
        self.developer = {"Authorization": f"Bearer {account['access_token']}"}
        made = instance.http.post("/api/projects", json={"name": "Open"}, headers=self.developer)
        self.id = made.raise_for_status().json()["id"]
        keys = {key["kind"]: key["key"] for key in made.json()["keys"]}
        self.secret, self.publishable = keys["secret"], keys["publishable"]
        self.headers = {"X-Bunbase-Key": self.secret}
        self.put("collections", "posts", rules=OPEN)

    def put(self, *path: str, **body: object) -> httpx.Response:
        place = "/v1/" + "/".join(path)
        return self.instance.http.put(place, json=body, headers=self.headers).raise_for_status()


def metric(instance: Instance, name: str, **labels: str) -> float:
    """Return a number of `/metrics`, summed over the other labels; 0 if it is missing."""
    text = instance.http.get("/metrics").raise_for_status().text
    lines = re.findall(rf"^{name}(\{{[^}}]*\}})? ([0-9.e+-]+)$", text, re.MULTILINE)
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(float(value) for found, value in lines if all(one in found for one in wanted))
