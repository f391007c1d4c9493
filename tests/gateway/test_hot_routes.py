"""The fast lane takes a request only if it would answer it exactly as the ordinary lane does."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.routes.fast import FAST_ROUTES
from bunbase.gateway.hot_routes import HotRoutes, mounted

HOT = HotRoutes([mounted(route, None, by_hand=True) for route in FAST_ROUTES], max_body_bytes=1000)
KEY = (b"x-bunbase-key", b"sk_a")
HOST = (b"host", b"api.example")
LIMIT = re.compile(r"[0-9]+")

urls = st.lists(
    st.sampled_from([b"/v1/data", b"/", b"a", b"Z_-9", b"?", b"limit=5", b"&", b"%2f", b"..", b"\xff", b";", b"#"])
)
names = st.sampled_from(
    [b"content-length", b"connection", b"expect", b"transfer-encoding", b"x-bunbase-x", b"accept", b"host"]
)
values = st.sampled_from([b"", b"0", b"7", b"1001", b"+7", b"\xb2", b"close", b"keep-alive", b"chunked"])
methods = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS"])


@given(methods, urls.map(b"".join), st.lists(st.tuples(names, values), max_size=4))
def test_the_fast_lane_takes_only_requests_with_plain_paths_and_headers(
    method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    request: Any = HOT.request(method, url, [KEY, HOST, *headers])

    if request is None:
        return
    path, _, query = url.partition(b"?")
    assert b"/v1/data/" + b"/".join(name.encode() for name in request.names) == path
    assert request.mounted.route.method.encode() == method
    assert not query or (set(request.query) == {"limit"} and LIMIT.fullmatch(request.query["limit"]))
    sent = dict(headers)
    assert b"host" not in sent
    assert b"#" not in url
    assert not {b"expect", b"transfer-encoding", b"x-bunbase-x"} & set(sent)
    assert sent.get(b"connection", b"keep-alive") == b"keep-alive"
    assert int(sent.get(b"content-length", b"0")) == request.length <= 1000
    assert (request.length > 0) == (method in (b"POST", b"PUT", b"PATCH"))


def test_the_fast_lane_decodes_a_query_as_the_ordinary_lane_does() -> None:
    request = HOT.request(b"GET", b"/v1/data/posts?limit=%35&cursor=a_b", [KEY, HOST])

    assert request is not None
    assert request.query == {"limit": "5", "cursor": "a_b"}
