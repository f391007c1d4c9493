"""Load on one server from core LOAD_CORE: wrk where it is installed, otherwise our own (slower: it says so)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.data.servers import DOCUMENT, Served

LOAD_CORE = "1"
CONNECTIONS = 64
WORK = ("read", "list", "create")

WRK = shutil.which("wrk")


class LoadFailed(Exception):
    """The server answered with errors, or not at all."""


def requests_a_second(served: Served, work: str, seconds: int) -> float:
    """Raises: LoadFailed when an answer was not 2xx."""
    return _wrk(served, work, seconds) if WRK else _own(served, work, seconds)


def _wrk(served: Served, work: str, seconds: int) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(served, work))
        script.flush()
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"]
        done = subprocess.run(
            [*command, "-s", script.name, served.url], capture_output=True, text=True, timeout=seconds + 60
        )
    said = done.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None or "Non-2xx" in said or "Socket errors" in said:
        raise LoadFailed(f"{served.name}, {work}: {said} {done.stderr}")
    return float(rate[1])


def _script(served: Served, work: str) -> str:
    """Every request is laid out once: the load must not be what is slow."""
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in served.headers.items())
    if work == "read":
        ids = ",".join(f'"{id}"' for id in served.ids)
        return f"""{headers}
local made, next = {{}}, 0
function init() for i, id in ipairs({{{ids}}}) do made[i] = wrk.format("GET", "{served.one}" .. id) end end
function request() next = next % #made + 1; return made[next] end"""
    if work == "list":
        return f'{headers}\nlocal made\nfunction init() made = wrk.format("GET", "{served.all}") end\n{SAME}'
    body = json.dumps(DOCUMENT)
    return f"""{headers}
wrk.headers["content-type"] = "application/json"
local made
function init() made = wrk.format("POST", "{served.one.rstrip("/")}", nil, [[{body}]]) end
{SAME}"""


SAME = "function request() return made end"


def _own(served: Served, work: str, seconds: int) -> float:
    host, _, port = served.url.removeprefix("http://").partition(":")
    order = {"host": host, "port": int(port), "requests": _requests(served, work)}
    order |= {"seconds": seconds, "connections": CONNECTIONS}
    command = ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "bench.data.own_load"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, input=json.dumps(order), capture_output=True, text=True, timeout=seconds + 60, cwd=root
    )
    if done.returncode:
        raise LoadFailed(f"{served.name}, {work}: {done.stderr}")
    return float(done.stdout)


def _requests(served: Served, work: str) -> list[str]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in served.headers.items()) + "host: bench\r\n"
    match work:
        case "read":
            return [f"GET {served.one}{id} HTTP/1.1\r\n{lines}\r\n" for id in served.ids]
        case "list":
            return [f"GET {served.all} HTTP/1.1\r\n{lines}\r\n"]
        case _:
            body = json.dumps(DOCUMENT)
            lines += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            return [f"POST {served.one.rstrip('/')} HTTP/1.1\r\n{lines}\r\n{body}"]
