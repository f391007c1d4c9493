"""Two processes that need each other, set up as docs/production.md describes."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import new_database
from tests.e2e.instance import Instance
from tests.e2e.probing import probe_like_a_balancer


def test_two_processes_that_need_each_other_are_probed(home: Path, postgres: str) -> None:
    """Newcomer F1: one GET /api/ready overloaded both processes until they were stopped."""
    instance = Instance("two", home, new_database(postgres))
    try:
        instance.start()
        probe_like_a_balancer(instance)
        instance.stop()
    finally:
        instance.close()
