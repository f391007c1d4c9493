from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from bunbase.pkg.metrics import LATENCY_SECONDS, Requests, http_requests

METHOD, ROUTE = "GET", "/v1/data/{collection}/{id}"
GET_ONE = {"method": METHOD, "route": ROUTE}


@pytest.fixture
def requests() -> Iterator[Requests]:
    """Replace the request metrics of this process by empty ones."""
    REGISTRY.unregister(http_requests)
    fresh = Requests()
    yield fresh
    REGISTRY.unregister(fresh)
    REGISTRY.register(http_requests)


def test_requests_are_counted_by_status_and_timed_by_route(requests: Requests) -> None:
    requests.of(METHOD, ROUTE, 200).add(0.002)
    requests.of(METHOD, ROUTE, 200).add(0.003)
    requests.of(METHOD, ROUTE, 404).add(40.0)

    assert REGISTRY.get_sample_value("bunbase_http_requests_total", {**GET_ONE, "status": "200"}) == 2
    assert REGISTRY.get_sample_value("bunbase_http_requests_total", {**GET_ONE, "status": "404"}) == 1
    assert REGISTRY.get_sample_value("bunbase_http_request_duration_seconds_count", GET_ONE) == 3
    assert REGISTRY.get_sample_value("bunbase_http_request_duration_seconds_sum", GET_ONE) == pytest.approx(40.005)


@pytest.mark.parametrize("bound", LATENCY_SECONDS)
def test_a_bucket_counts_durations_up_to_and_including_its_bound(requests: Requests, bound: float) -> None:
    for seconds in (bound / 2, bound, bound * 1.01):
        requests.of(METHOD, ROUTE, 200).add(seconds)

    assert (
        REGISTRY.get_sample_value("bunbase_http_request_duration_seconds_bucket", {**GET_ONE, "le": str(float(bound))})
        == 2
    )
    assert REGISTRY.get_sample_value("bunbase_http_request_duration_seconds_bucket", {**GET_ONE, "le": "+Inf"}) == 3
