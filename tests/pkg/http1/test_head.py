"""The server checks request heads by the rules of RFC 9112 and RFC 9110."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.errors import Malformed, NotSupported, Problem, VersionNotSupported
from bunbase.pkg.http1.head import Head, asks_to_close, checked_head, is_host
from tests.pkg.http1.door import port

HOST = (b"host", b"api.example")

GOOD_HOSTS = (
    *(b"a", b"api.example.com", b"api.example.com:8080", b"127.0.0.1:1", b"a:", b"a_b", b"a%20b", b"a!$&'()*+,;=~"),
    *(b"[::1]", b"[::1]:80", b"[2001:db8::1]:65535", b"[::ffff:192.0.2.1]", b"xn--bcher-kva.example", b""),
)
BAD_HOSTS = (
    *(b"a/b", b"a?b", b"a#b", b"a b", b"a\tb", b"u:p@e", b"u@e", b"a:x", b"a:80:80", b"a:65536", b"a:999999", b":80"),
    *(b"[::1", b"::1", b"[::1]80", b"[::1]:x", b"[a]", b"[fe80::1%eth0]", b"[]", b"a%2", b"a\\b", b"\xc3\xa9", b"a,b/"),
    *(b"a/admin?x=", b"<a>", b'"a"', b"a{b}", b"a|b", b"http://a"),
)


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_valid_host_with_or_without_a_port_is_accepted(host: bytes) -> None:
    assert is_host(host)
    assert checked_head(b"GET", b"/", "1.1", [(b"host", host)]).headers == [(b"host", host)]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_an_invalid_host_is_refused(host: bytes) -> None:
    """Before, a function with an invalid Host saw a different path than the proxies before the server."""
    with pytest.raises(Malformed):
        checked_head(b"GET", b"/", "1.1", [(b"host", host)])


@pytest.mark.parametrize(
    ("version", "hosts", "good"),
    [("1.1", 0, False), ("1.1", 1, True), ("1.1", 2, False), ("1.0", 0, True), ("1.0", 1, True), ("1.0", 2, False)],
)
def test_a_request_of_http_1_1_has_exactly_one_host(version: str, hosts: int, good: bool) -> None:
    if good:
        checked_head(b"GET", b"/", version, [HOST] * hosts)
    else:
        with pytest.raises(Malformed):
            checked_head(b"GET", b"/", version, [HOST] * hosts)


@pytest.mark.parametrize(
    ("method", "target", "path", "query", "host"),
    [
        ("GET", "/", "/", "", "api.example"),
        ("GET", "/a?b?c", "/a", "b?c", "api.example"),
        ("GET", "/a?", "/a", "", "api.example"),
        ("GET", "//a", "//a", "", "api.example"),
        ("GET", "/v1/functions/f/[id]|x", "/v1/functions/f/[id]|x", "", "api.example"),
        ("GET", '/a?where={"a":1}', "/a", 'where={"a":1}', "api.example"),
        ("GET", "http://other.example:81/a?b", "/a", "b", "other.example:81"),
        ("GET", "HTTPS://other.example/a", "/a", "", "other.example"),
        ("GET", "http://other.example", "/", "", "other.example"),
        ("GET", "http://other.example?b", "/", "b", "other.example"),
        ("GET", "http://[::1]:7070/a", "/a", "", "[::1]:7070"),
        ("OPTIONS", "*", "*", "", "api.example"),
        ("OPTIONS", "http://other.example", "*", "", "other.example"),
        ("OPTIONS", "http://other.example/", "/", "", "other.example"),
    ],
)
def test_a_target_is_split_into_path_query_and_host(method: str, target: str, path: str, query: str, host: str) -> None:
    head = checked_head(method.encode(), target.encode(), "1.1", [(b"accept", b"*/*"), HOST])

    assert (head.path, head.query) == (path.encode(), query.encode())
    assert [value for name, value in head.headers if name == b"host"] == [host.encode()]
    assert (b"accept", b"*/*") in head.headers


@pytest.mark.parametrize(
    ("method", "target"),
    [
        *(
            ("GET", target)
            for target in ("*", "/a#b", "/a?b#c", "/a b", "/a\tb", "/a\\b", "/a\x7f", "a/b", "", "/\xe9")
        ),
        *(("GET", target) for target in ("http:///a", "http://u:p@e/a", "http://u@e/", "http://a:x/", "http://a/#b")),
        *(("GET", target) for target in ("ftp://a/b", "http:/a", "a:80", "?a", "http://a b/", "http://a/\\b")),
        *(("POST", "*"), ("OPTIONS", "**"), ("OPTIONS", "*?a"), ("OPTIONS", "http://")),
    ],
)
def test_an_invalid_target_is_refused(method: str, target: str) -> None:
    with pytest.raises(Malformed):
        checked_head(method.encode(), target.encode("latin-1"), "1.1", [HOST])


@pytest.mark.parametrize("target", ["a:80", "/", "http://a/"])
def test_the_method_connect_is_refused(target: str) -> None:
    with pytest.raises(NotSupported):
        checked_head(b"CONNECT", target.encode(), "1.1", [HOST])


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2", "3.0", "0.0"])
def test_a_version_other_than_1_0_and_1_1_is_refused(version: str) -> None:
    with pytest.raises(VersionNotSupported):
        checked_head(b"GET", b"/", version, [HOST])


@pytest.mark.parametrize(
    ("version", "lines", "refused"),
    [
        ("1.1", ["chunked"], None),
        ("1.1", ["Chunked"], None),
        ("1.1", ["gzip, chunked"], NotSupported),
        ("1.1", ["gzip", "chunked"], NotSupported),
        ("1.1", ["gzip ,\tchunked"], NotSupported),
        ("1.1", ["chunked, chunked"], NotSupported),
        ("1.1", ["gzip"], Malformed),
        ("1.1", ["xchunked"], Malformed),
        ("1.1", ["chunked, gzip"], Malformed),
        ("1.1", ["identity"], Malformed),
        ("1.1", [""], Malformed),
        ("1.1", ["chunked;a=b"], Malformed),
        ("1.0", ["chunked"], Malformed),
    ],
)
def test_chunked_is_the_only_accepted_transfer_encoding(
    version: str, lines: list[str], refused: type[Problem] | None
) -> None:
    headers = [HOST, *((b"transfer-encoding", line.encode()) for line in lines)]

    if refused is None:
        checked_head(b"POST", b"/", version, headers)
    else:
        with pytest.raises(refused):
            checked_head(b"POST", b"/", version, headers)


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_an_accepted_head_has_no_delimiter_inside_host_path_or_query(target: bytes, host: bytes) -> None:
    """`request.url` joins Host and target. A delimiter inside one of them would move the boundary between them."""
    try:
        head: Head = checked_head(b"GET", b"/" + target, "1.1", [(b"host", host)])
    except Malformed:
        return

    assert not set(host) & set(b"/?#@\\ \t\r\n")
    assert not set(head.path) & set(b"?#\\ \t\r\n")
    assert not set(head.query) & set(b"# \t\r\n")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", b"does not begin with a method of HTTP"),
        (b"\x16\x03\x01\x02\x00", b"this port takes http"),  # this is the first part of https
        (b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n", b"not valid HTTP (Invalid header token)"),
    ],
)
async def test_a_request_that_is_not_http_gets_400_with_the_reason(sent: bytes, reason: bytes) -> None:
    async with port() as server, server.connected() as client:
        client.writer.write(sent)

        answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert reason in answer


@pytest.mark.parametrize(
    ("values", "closing"),
    [
        ([], False),
        ([b"keep-alive"], False),
        ([b"closed"], False),
        ([b"close"], True),
        ([b"Close"], True),
        ([b"close\t"], True),
        ([b"keep-alive,\tclose \t"], True),
        ([b"te", b"close"], True),
    ],
)
def test_a_connection_ends_if_one_option_of_the_header_is_close(values: list[bytes], closing: bool) -> None:
    assert asks_to_close([HOST, *((b"connection", value) for value in values)]) is closing


@pytest.mark.parametrize(
    "header", ["connection: close\t", "connection: close \t ", "connection:\tkeep-alive,\tclose\t"]
)
async def test_a_connection_that_a_client_ends_with_tabs_around_close_is_closed(header: str) -> None:
    """Optional whitespace consists of blanks and tabs (RFC 9110 §5.6.3). The parser trims only blanks here."""
    async with port() as open_port, open_port.connected() as client:
        client.send("GET /read", header)

        answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()
