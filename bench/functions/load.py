"""Send load with wrk, with a fixed number of calls at the same time."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Final

from bench.functions.servers import Served

SCRIPT: Final = """
function done(summary, latency)
  local failed = summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect
  io.write(string.format('measured {"rate":%f,"p50":%f,"p99":%f,"failed":%d}',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end"""


@dataclass(frozen=True)
class Measured:
    """The result of a round. `rate`: answers per second; `p50`, `p99`: latency in milliseconds."""

    rate: float
    p50: float
    p99: float
    failed: int


def measured(served: Served, in_flight: int, seconds: int) -> Measured:
    """Run one round. Raises: RuntimeError if an answer was not 2xx."""
    headers = [part for name, value in served.headers.items() for part in ("-H", f"{name}: {value}")]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        command = ["wrk", "-t1", f"-c{in_flight}", f"-d{seconds}s", "-s", script.name, *headers]
        said = subprocess.run(
            [*command, served.url + served.path], capture_output=True, text=True, timeout=seconds + 60, check=True
        ).stdout
    one = Measured(**json.loads(said.partition("measured ")[2]))
    if one.failed:
        raise RuntimeError(f"{served.name}: {one.failed} answers were not 2xx")
    return one
