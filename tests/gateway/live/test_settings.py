"""The limits of live connections agree with those of the gateway and with the file descriptors of the process."""

from __future__ import annotations

import resource

import pytest

from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.module import room_for_live
from bunbase.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("open_files", "connections", "per_address", "unauthenticated"),
    [(1 << 20, 10_000, 200, 1000), (20_000, 10_000, 200, 1000), (4096, 1024, 200, 512), (1024, 256, 64, 128)],
)
def test_live_connections_fit_beside_those_of_the_gateway(
    monkeypatch: pytest.MonkeyPatch, open_files: int, connections: int, per_address: int, unauthenticated: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (open_files, open_files))

    fitting = LiveSettings().fitting(room_for_live(GatewaySettings()))

    assert fitting.max_connections == connections
    assert fitting.max_connections_per_address == per_address
    assert fitting.max_unauthenticated == unauthenticated


def test_a_process_with_hardly_any_files_allows_at_least_one_live_connection() -> None:
    assert LiveSettings().fitting(-5).max_connections == 1


def test_small_limits_of_the_operator_stay() -> None:
    few = LiveSettings(max_connections=100, max_connections_per_address=1, max_unauthenticated=2).fitting(10)

    assert (few.max_connections, few.max_connections_per_address, few.max_unauthenticated) == (10, 1, 2)
