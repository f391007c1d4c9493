"""BunBase starts, stops and recovers after it was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.instance import BUNBASE, Instance, alive, descendants, poll

WRITERS = 64
WRITES = 1000
KILL_AFTER = 200  # The kill comes after this many acknowledged writes, while other writes are still running.

ENDLESS = "export default () => { for (;;) {} };\n"


def a_project(dev: Instance) -> tuple[Path, dict[str, str]]:
    """Register and create a project. Return its folder and the headers of its secret key."""
    dev.bunbase("register", "--email", "ada@example.com")
    folder = dev.home / "app"
    dev.bunbase("init", str(folder))
    made = dev.bunbase_json("projects", "create", "Storm", cwd=folder)
    return folder, {"X-Bunbase-Key": next(key["key"] for key in made["keys"] if key["kind"] == "secret")}


def test_ctrl_c_ends_every_process(dev: Instance) -> None:
    dev.start()
    folder, key = a_project(dev)
    dev.bunbase("deploy", cwd=folder)
    dev.bunbase("invoke", "hello", cwd=folder)
    process = dev.processes.pop("dev")
    below = descendants(process.pid)
    with socket.create_connection(("127.0.0.1", dev.port), 20) as follower:
        sent = "".join(f"{name}: {value}\r\n" for name, value in key.items())
        follower.sendall(f"GET /v1/changes?wait_seconds=30 HTTP/1.1\r\nhost: test\r\n{sent}\r\n".encode())
        for _ in range(3):  # After these requests, the server has read the request of the follower too.
            dev.http.get("/v1/changes", headers=key).raise_for_status()

        process.send_signal(signal.SIGINT)

        answer = follower.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b'{"items":[],"next":0}')
    assert process.wait(20) == 0, dev.log()
    assert "Cancel" not in dev.log()  # uvicorn logs this if it has waited for a request without success.
    assert len(below) > 3  # The processes are PostgreSQL and its helpers, the zygote, and a worker.
    assert not [pid for pid in below if alive(pid)]
    assert "Traceback" not in dev.log()


def test_sigterm_ends_a_server_that_waits_for_postgresql(dev: Instance) -> None:
    dev.serve()
    dev.commands["serve"][1]["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    dev.spawn_all()
    poll(lambda: "waiting for PostgreSQL" in dev.log(), 30, what="the server waits")

    dev.stop()

    assert "Traceback" not in dev.log()


def test_sigterm_ends_a_server_whose_postgresql_is_starting(dev: Instance) -> None:
    dev.spawn_all()
    poll(lambda: "starting PostgreSQL" in dev.log(), 30, what="PostgreSQL starts")
    below = descendants(dev.processes["dev"].pid)

    dev.stop()

    assert "Traceback" not in dev.log()
    assert not [pid for pid in below if alive(pid)]


def test_dev_deploys_a_function_when_its_file_is_saved(dev: Instance) -> None:
    dev.bunbase("init")
    function = dev.home / "functions" / "hello.ts"
    dev.commands["dev"][1]["BUNBASE_CREDENTIALS"] = dev.environment()[
        "BUNBASE_CREDENTIALS"
    ]  # The server and the command use the same credentials.
    dev.start()
    poll(lambda: "not signed in" in dev.log(), what="the log asks for a sign-in")

    dev.bunbase("register", "--email", "ada@example.com")
    poll(lambda: "hello v1 is in service" in dev.log(), what="the function is deployed to a new project")
    assert dev.bunbase("invoke", "hello", "--path", "/?name=Ada") == "Hello, Ada!\n"
    poll(lambda: "greeting Ada" in dev.log(), what="the log shows the output of the function")

    function.write_text("export default (")
    poll(lambda: "Unexpected end of file" in dev.log(), what="the log shows the error of the build")
    assert dev.bunbase("invoke", "hello") == "Hello, world!\n"
    function.write_text('export default () => new Response("saved");\n')
    poll(lambda: dev.bunbase("invoke", "hello") == "saved")

    below = dev.kill()
    poll(lambda: not [pid for pid in below if alive(pid)], what="the watcher ends with the server")


def test_kill_9_of_the_server_ends_every_process_even_an_endless_function(dev: Instance) -> None:
    dev.start()
    folder, secret = a_project(dev)
    (folder / "functions" / "endless.ts").write_text(ENDLESS)
    dev.bunbase("deploy", cwd=folder)
    call = subprocess.Popen(
        [BUNBASE, "invoke", "endless"],
        cwd=folder,
        env=dev.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    poll(lambda: _workers(dev), 10)

    below = dev.kill()

    poll(lambda: not [pid for pid in below if alive(pid)], 15, "every process below the server is gone")
    call.wait(20)
    dev.start()
    assert dev.http.get("/v1/data/none", headers=secret).json()["items"] == []


def test_kill_9_during_a_thousand_inserts_loses_no_acknowledged_document(dev: Instance) -> None:
    dev.start()
    _, secret = a_project(dev)

    answered = asyncio.run(_storm(dev, secret))
    dev.start()

    kept = {item["_id"] for item in _all(dev, secret)}
    assert len(answered) >= KILL_AFTER
    assert answered <= kept
    assert all(item == {**item, "n": int(item["_id"][1:])} for item in _all(dev, secret))


def test_a_second_instance_on_the_same_data_directory_is_refused(running_dev: Instance) -> None:
    second = _run(running_dev, BUNBASE_PORT="0")

    assert second.returncode == 1
    assert f"another BunBase (process {running_dev.processes['dev'].pid}) runs on" in second.stderr
    assert "Traceback" not in second.stderr
    assert running_dev.http.get("/api/ready").status_code == 200


def test_a_taken_port_is_refused_before_postgresql_starts(running_dev: Instance) -> None:
    second = _run(running_dev, BUNBASE_DATA_DIR=str(running_dev.home / "other"))

    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{running_dev.port}: Address already in use" in second.stderr
    assert not (running_dev.home / "other" / "postgres").exists()


def test_all_mistakes_in_the_configuration_are_printed_at_once(dev: Instance) -> None:
    (dev.home / "bunbase.toml").write_text("[server.gateway]\nprot = 1\n")

    refused = _run(dev, BUNBASE_BUNAUTH__ACCESS_TTL_SECONDS="soon")

    assert refused.returncode == 1
    assert "there is no setting prot" in refused.stderr
    assert "BUNBASE_BUNAUTH__ACCESS_TTL_SECONDS" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_every_file_of_the_data_directory_is_private_to_its_owner(running_dev: Instance) -> None:
    assert (running_dev.home / "data").stat().st_mode & 0o066 == 0
    for place in (running_dev.home / "data").iterdir():
        assert place.stat().st_mode & (0o007 if place.name == "postgres" else 0o077) == 0, place


def test_the_server_ends_when_postgresql_dies_and_recovers_at_the_next_start(dev: Instance) -> None:
    dev.start()
    dev.bunbase("register", "--email", "ada@example.com")
    process = dev.processes.pop("dev")
    postgres = next(pid for pid in descendants(process.pid) if "postgres --config-file" in _command(pid))

    os.kill(postgres, signal.SIGKILL)

    assert process.wait(20) == 1, dev.log()
    assert "PostgreSQL has ended" in dev.log()
    dev.start()
    assert dev.bunbase_json("whoami")["user"]["email"] == "ada@example.com"


def _workers(dev: Instance) -> list[int]:
    return [pid for pid in descendants(dev.processes["dev"].pid) if _command(pid).startswith("bun")]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _run(dev: Instance, **environment: str) -> subprocess.CompletedProcess[str]:
    _, own = dev.commands["dev"]
    env = dev.environment() | own | environment
    return subprocess.run(
        [BUNBASE, "dev"], cwd=dev.home, env=env, capture_output=True, text=True, timeout=30, check=False
    )


async def _storm(dev: Instance, secret: dict[str, str]) -> set[str]:
    """Insert documents over many connections, kill the server meanwhile, and return the ids that got 201."""
    answered: set[str] = set()
    numbers = iter(range(WRITES))

    async def write(http: httpx.AsyncClient) -> None:
        for n in numbers:
            try:
                reply = await http.post("/v1/data/storm", json={"_id": f"n{n}", "n": n}, headers=secret)
            except httpx.TransportError:
                return
            if reply.status_code == 201:
                answered.add(f"n{n}")
            if len(answered) == KILL_AFTER and dev.processes:
                dev.kill()

    limits = httpx.Limits(max_connections=WRITERS)
    async with httpx.AsyncClient(base_url=dev.url, limits=limits, timeout=20, trust_env=False) as http:
        await asyncio.gather(*(write(http) for _ in range(WRITERS)))
    return answered


def _all(dev: Instance, secret: dict[str, str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
        page = dev.http.get("/v1/data/storm", params=query, headers=secret).json()
        items += page["items"]
        cursor = page["next"]
    return items
