"""Probe readiness as a load balancer does, and count what that costs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from tests.e2e.instance import Instance, open_connections, poll

AT_ONCE: Final = 30
PROBES: Final = 300
MOST_CONNECTIONS: Final = 60  # of one internal port: kept alive by the other processes, not one for each probe


def probe_like_a_balancer(instance: Instance) -> None:
    """Every probe is answered 200, without details, and leaves no crowd of connections between the processes."""
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
