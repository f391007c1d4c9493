"""Run a real BunBase: all rooms in one process (`bunbase dev`), or in several processes that call each other."""

from __future__ import annotations

import base64
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import msgspec

from bunbase.cli.main import run
from bunbase.house.trust import CALLING_ROOMS
from bunbase.pkg.rpc.room_keys import public_key, room_secret

SECRET = "the secret of these few processes only"
BUNBASE = Path(sys.executable).with_name("bunbase")
START_SECONDS = 60.0
STOP_SECONDS = 20.0
SETUP_TOKEN = "the first account of these tests only"

# In both topologies, two processes need each other: accounts and functions in "five", front and functions in "two".
SEVERAL = {
    "five": {
        "bunkms": ("bunkms",),
        "accounts": ("bunauth", "platform", "tenant_auth", "buncast"),
        "data": ("bundoc", "storage"),
        "functions": ("functions",),
        "front": ("gateway",),
    },
    "two": {
        "front": ("bunkms", "bunauth", "tenant_auth", "platform", "bundoc", "buncast", "storage", "gateway"),
        "functions": ("functions",),
    },
}


def poll(condition: Callable[[], Any], seconds: float = 10.0, what: str = "") -> Any:
    """Call `condition` until it returns a true value, and return this value. Raises: AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below `pid`."""
    found = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):  # The process has ended meanwhile.
        for task in list(Path(f"/proc/{pid}/task").glob("*/children")):
            with suppress(OSError):
                yield from map(int, task.read_text().split())


class Instance:
    """A BunBase of one or more processes. `home` holds its data, its logs and the credentials of the command line."""

    def __init__(self, topology: str, home: Path, database_url: str = "") -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.program = [str(BUNBASE)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.internal_ports: dict[str, int] = {}
        self.commands = self._one() if topology == "one" else self._several(SEVERAL[topology], database_url)
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def start(self) -> Instance:
        self.spawn_all()
        poll(self._ready, START_SECONDS, "ready; see the logs:\n" + str(self.home))
        return self

    def spawn_all(self) -> None:
        for name in self.commands:  # The order does not matter, because a process waits for the rooms that it needs.
            self._spawn(name)

    def serve(self) -> None:
        """Use `bunbase serve` with production settings instead of `bunbase dev`, in one process."""
        own = {
            "BUNBASE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "BUNBASE_GATEWAY__PUBLIC_URL": self.url,
            "BUNBASE_HOUSE__INTERNAL_PORT": str(free_port()),
        }
        self.commands = {"serve": (["serve"], self.commands["dev"][1] | own)}

    def stop(self) -> None:
        """Stop every process with SIGTERM, in reverse order, and assert that each exits with 0."""
        for name in reversed(list(self.processes)):
            self._stop(name)

    def restart(self, name: str) -> None:
        """Stop one process with SIGTERM, start it again, and wait until the instance is ready."""
        self._stop(name)
        self._spawn(name)
        poll(self._ready, START_SECONDS, "ready again; see the logs:\n" + str(self.home))

    def kill(self) -> list[int]:
        """Kill every process with SIGKILL. Return the ids of all their descendants."""
        below = [pid for process in self.processes.values() for pid in descendants(process.pid)]
        for process in self.processes.values():
            process.kill()
            process.wait(STOP_SECONDS)
        self.processes.clear()
        return below

    def kill_and_restart(self, name: str) -> None:
        """Kill one process with SIGKILL, start it again, and wait until the instance is ready."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(STOP_SECONDS)
        self._spawn(name)
        poll(self._ready, START_SECONDS, "ready again; see the logs:\n" + str(self.home))

    def descendants(self, mark: str) -> list[int]:
        """Return the ids of the descendants whose command line contains `mark`."""
        found = []
        for pid in [pid for process in self.processes.values() for pid in descendants(process.pid)]:
            with suppress(OSError):  # The process has ended meanwhile.
                if mark in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(pid)
        return found

    def close(self) -> None:
        self.http.close()
        with ExitStack() as stack:
            for process in self.processes.values():
                stack.callback(process.wait, STOP_SECONDS)
                process.terminate()

    def log(self, name: str = "") -> str:
        names = [name] if name else list(self.commands)
        return "\n".join((self.home / f"{one}.log").read_text("utf-8", "replace") for one in names)

    def environment(self) -> dict[str, str]:
        """Return the environment variables for the `bunbase` command."""
        return {
            "PATH": f"{BUNBASE.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "BUNBASE_URL": self.url,
            "BUNBASE_CREDENTIALS": str(self.home / "credentials.json"),
            "BUNBASE_PASSWORD": "correct horse battery",
            "BUNBASE_SETUP_TOKEN": SETUP_TOKEN,
        }

    def bunbase(self, *args: str, cwd: Path | None = None, code: int = 0) -> str:
        """Run the `bunbase` command in this process. Return its standard output.

        In a separate process, the import of the command takes 0.4 s of processor time, and a hundred calls need it.
        """
        return self._run(args, cwd, code)[0]

    def bunbase_json(self, *args: str, cwd: Path | None = None) -> Any:
        return msgspec.json.decode(self.bunbase(*args, "--json", cwd=cwd))

    def bunbase_problem(self, *args: str, code: int, cwd: Path | None = None) -> Any:
        """Return the problem that a command prints on stderr, in its last line."""
        return msgspec.json.decode(self._run((*args, "--json"), cwd, code)[1].splitlines()[-1])

    def _run(self, args: Sequence[str], cwd: Path | None, code: int) -> tuple[str, str]:
        """Return what the command wrote to stdout and to stderr."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with (
            patch.dict(os.environ, self.environment(), clear=True),
            chdir(cwd or self.home),
            open(os.devnull, encoding="utf-8") as nothing,
            patch("sys.stdin", nothing),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            returned = run(args)
        said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))
        assert returned == code, f"bunbase {args}: {returned}\n{said}\n{complained}\n{self.log()}"
        return said, complained

    def _spawn(self, name: str) -> None:
        args, environment = self.commands[name]
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self.program, *args],
                cwd=self.home,
                env={"PATH": os.environ["PATH"], "HOME": str(self.home)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0, self.log(name)

    def _ready(self) -> bool:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)}"
        try:
            return self.http.get("/api/ready").status_code == 200
        except httpx.TransportError:
            return False

    def _one(self) -> dict[str, tuple[list[str], dict[str, str]]]:
        return {"dev": (["dev"], {"BUNBASE_PORT": str(self.port), "BUNBASE_DATA_DIR": str(self.home / "data")})}

    def _several(
        self, processes: dict[str, tuple[str, ...]], database_url: str
    ) -> dict[str, tuple[list[str], dict[str, str]]]:
        ports = self.internal_ports = {name: free_port() for name in processes}
        peers = {room: f"http://127.0.0.1:{ports[name]}" for name, rooms in processes.items() for room in rooms}
        common = {
            "DATABASE_URL": database_url,
            "BUNBASE_HOUSE__PEERS": msgspec.json.encode(peers).decode(),
            "BUNBASE_BUNAUTH__SIGNUPS": "open",
            "BUNBASE_BUNAUTH__SETUP_TOKEN": SETUP_TOKEN,
            "BUNBASE_PORT": str(self.port),
            "BUNBASE_GATEWAY__PUBLIC_URL": self.url,
        }
        master_key = base64.b64encode(os.urandom(32)).decode()
        commands = {}
        for name, rooms in processes.items():
            own = {
                "BUNBASE_DATA_DIR": str(self.home / f"data-{name}"),
                "BUNBASE_HOUSE__INTERNAL_PORT": str(ports[name]),
            }
            key = {"BUNBASE_MASTER_KEY": master_key} if "bunkms" in rooms else {}
            commands[name] = (["serve", *rooms], common | own | key | _trust(rooms, strict=len(processes) > 2))
        return commands


def _trust(rooms: tuple[str, ...], strict: bool) -> dict[str, str]:
    """Return the settings with the keys that rooms use to call each other.

    If `strict`, the process gets only the secrets of its own rooms; otherwise one secret of the whole installation.
    """
    if not strict:
        return {"BUNBASE_HOUSE__SERVICE_SECRET": SECRET}
    secrets = {room: room_secret(SECRET, room) for room in CALLING_ROOMS}
    keys = {room: [public_key(secret)] for room, secret in secrets.items()}
    own = {room: secret for room, secret in secrets.items() if room in rooms}
    return {
        "BUNBASE_HOUSE__ROOM_KEYS": msgspec.json.encode(keys).decode(),
        "BUNBASE_HOUSE__ROOM_SECRETS": msgspec.json.encode(own).decode(),
    }


def open_connections() -> Counter[int]:
    """Count the TCP connections that each port of this machine has open (IPv4)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = (
        line.split(maxsplit=4) for line in lines if " 01 " in line
    )  # This is a quick filter, because most lines are of closed connections.
    return Counter(int(local.rpartition(":")[2], 16) for _, local, _, state, _ in fields if state == "01")
