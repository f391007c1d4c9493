"""Send load to one server from core LOAD_CORE, with wrk if it is installed, or else with our slower generator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.data.work import Requests, Served

LOAD_CORE = "1"
CONNECTIONS = 64

WRK = shutil.which("wrk")


class LoadFailed(Exception):
    """The server answered with errors, or did not answer."""


@dataclass(frozen=True)
class Measured:
    """The result of a round. `rate`: requests per second; `p50`, `p99`: latency in milliseconds."""

    answered: int
    rate: float
    p50: float
    p99: float


def measured(served: Served, work: str, seconds: int) -> Measured:
    """Run one round. Raises: LoadFailed if an answer was not 2xx."""
    requests = served.work[work]
    done = _wrk(served.url, requests, seconds) if WRK else _own(served.url, requests, seconds)
    _, marked, said = done.stdout.rpartition("measured ")
    if done.returncode or not marked or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise LoadFailed(f"{served.name}, {work}: {done.stdout} {done.stderr}")
    return Measured(**json.loads(said))


def _wrk(url: str, requests: Requests, seconds: int) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(requests))
        script.flush()
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"]
        return subprocess.run(
            [*command, "-s", script.name, url], capture_output=True, text=True, timeout=seconds + 60, check=False
        )


def _script(requests: Requests) -> str:
    """Return a script for wrk that builds every request once, so that the load generator is not the bottleneck."""
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in requests.headers.items())
    addresses = ",".join(f"[[{address}]]" for address in requests.addresses)
    body = f"[==[{requests.body}]==]" if requests.body else "nil"
    return f"""{headers}
local made, next = {{}}, 0
function init()
  for i, address in ipairs({{{addresses}}}) do made[i] = wrk.format("{requests.method}", address, nil, {body}) end
end
function request() next = next % #made + 1; return made[next] end
function done(summary, latency)
  local failed = summary.errors.status + summary.errors.timeout + summary.errors.read
  if failed == 0 then
    io.write(string.format('measured {{"answered":%d,"rate":%f,"p50":%f,"p99":%f}}', summary.requests,
      summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
  end
end"""


def _own(url: str, requests: Requests, seconds: int) -> subprocess.CompletedProcess[str]:
    order = {"url": url, "requests": asdict(requests), "seconds": seconds, "connections": CONNECTIONS}
    command = ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "bench.data.own_load"]
    root = Path(__file__).parents[2]
    return subprocess.run(
        command,
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        cwd=root,
        check=False,
    )
