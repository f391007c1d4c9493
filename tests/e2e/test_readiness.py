"""Readiness of two processes that need each other, configured as docs/production.md describes."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import new_database
from tests.e2e.instance import Instance
from tests.e2e.probing import probe_like_a_balancer


def test_readiness_probes_succeed_while_two_processes_need_each_other(home: Path, postgres: str) -> None:
    """Before, one GET /api/ready overloaded both processes until they were stopped."""
    instance = Instance("two", home, new_database(postgres))
    try:
        instance.start()
        probe_like_a_balancer(instance)
        instance.stop()
    finally:
        instance.close()
