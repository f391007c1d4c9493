"""Probe readiness as a load balancer does, and count the connections between the processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from tests.e2e.instance import Instance, open_connections, poll

AT_ONCE: Final = 30
PROBES: Final = 300
# Other processes keep at most this many connections to one internal port open, but not one per probe.
MOST_CONNECTIONS: Final = 60


def probe_like_a_balancer(instance: Instance) -> None:
    """Assert that each probe gets 200 without details, and that probes open few connections between the processes."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    with httpx.Client(base_url=instance.url, timeout=30, trust_env=False, limits=limits) as http:
        most = open_connections()

        def probe(_number: int) -> httpx.Response:
            answer = http.get("/api/ready")
            seen = open_connections()
            for port in instance.internal_ports.values():
                most[port] = max(most[port], seen[port])
            return answer

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(probe, range(PROBES)))

    assert {answer.status_code for answer in answers} == {200}
    checks = answers[-1].json()["checks"]
    assert all(check == {"status": "ok"} for check in checks.values()), checks
    crowds = {name: most[port] for name, port in instance.internal_ports.items() if most[port] > MOST_CONNECTIONS}
    assert not crowds
    for port in instance.internal_ports.values():
        for path in ("/api/ready", "/api/ready/own"):
            assert httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=30).status_code == 200
    poll(lambda: instance.http.get("/api/instance").status_code == 200, what="calls go on")
