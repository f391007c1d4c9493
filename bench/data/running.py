"""Start a measured server on core SERVER_CORE, and wait until it answers."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

SERVER_CORE = "0"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


@contextmanager
def running(command: Sequence[str | Path], home: Path, more: dict[str, str], **options: Any) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    pinned = ["taskset", "-c", SERVER_CORE, *command]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(pinned, cwd=home, env={**os.environ, **more}, stdout=log, stderr=log, **options)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def client(url: str, headers: dict[str, str] | None = None) -> httpx.Client:
    return httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False)


def posted(http: httpx.Client, address: str, said: Any) -> Any:
    """Send a POST request and return the answer. Raises: httpx.HTTPStatusError if the answer is not 2xx."""
    return http.post(address, json=said).raise_for_status().json()


def read(http: httpx.Client, address: str) -> Any:
    """Send a GET request and return the answer. Raises: httpx.HTTPStatusError if the answer is not 2xx."""
    return http.get(address).raise_for_status().json()


def until_up(http: httpx.Client, path: str) -> None:
    poll(lambda: http.get(path).status_code < 500)


def poll(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            if condition():
                return
        except (httpx.TransportError, OSError):
            pass
        if time.monotonic() > end:
            raise TimeoutError("a server did not start in time")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
