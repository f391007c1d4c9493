from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.cli.address import is_loopback, normal_url
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.sse import Event, events
from bunbase.cli.tables import visible
from bunbase.pkg.bun import BunMissing, find_bun

STREAM = b": hello\n\nid: 7\ndata: one\ndata:two\r\n\r\nevent: ping\ndata: {}\n\nid: 8\n\ndata: cut o"


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("http://LOCALHOST:7070/", "http://localhost:7070"),
        ("https://example.com/base/", "https://example.com/base"),
        ("http://[::1]:7070", "http://[::1]:7070"),
    ],
)
def test_a_server_url_gets_its_normal_form(given: str, normal: str) -> None:
    assert normal_url(given) == normal


@pytest.mark.parametrize("given", ["example.com", "ftp://x", "http://", "http://x:99999", "http://a:b@x", "http://x?y"])
def test_an_invalid_server_url_is_refused(given: str) -> None:
    with pytest.raises(Usage):
        normal_url(given)


def test_only_addresses_of_this_machine_are_loopback() -> None:
    assert all(is_loopback(url) for url in ("http://localhost", "http://127.8.0.1:1", "http://[::1]"))
    assert not is_loopback("http://10.0.0.1")


@given(st.lists(st.integers(1, len(STREAM) - 1)))
def test_server_sent_events_are_parsed_equally_for_every_split_of_the_stream(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    parts = [STREAM[start:end] for start, end in itertools.pairwise(edges)]

    assert list(events(parts)) == [Event("message", "7", "one\ntwo"), Event("ping", "", "{}")]


def test_an_endless_line_in_an_event_stream_is_refused() -> None:
    with pytest.raises(Failure):
        list(events([b"x" * 1_000_000] * 9))
    with pytest.raises(Failure, match="too long"):
        list(events([b"data: %s\n" % (b"x" * 500_000)] * 18))


def test_control_characters_are_removed_from_output() -> None:
    assert visible("a\x1b[31mb\x9bc\td\n\x00") == "a[31mbc\td\n"
    assert visible("paid \u202etnuoma\u202c \u2066x\u2069") == "paid tnuoma x"


def bun_at(path: Path, content: bytes = b"\x7fELF") -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_bun_comes_from_bunbase_bun_path_or_node_modules_in_this_order(tmp_path: Path) -> None:
    named = bun_at(tmp_path / "named/bun")
    on_path = bun_at(tmp_path / "path/bun")
    installed = bun_at(tmp_path / "project/node_modules/bun/bin/bun.exe")
    folder = tmp_path / "project/src/deep"

    assert find_bun({"BUNBASE_BUN": str(named), "PATH": str(on_path.parent)}, folder) == named
    assert find_bun({"PATH": str(on_path.parent)}, folder) == on_path
    assert find_bun({"PATH": ""}, folder) == installed


def test_a_script_named_bun_is_skipped(tmp_path: Path) -> None:
    script = bun_at(tmp_path / "path/bun", b"#!/bin/sh\n")
    bun_at(tmp_path / "project/node_modules/bun/bin/bun.exe", b"Error: not installed")
    real = bun_at(tmp_path / "project/node_modules/@oven/bun-linux-x64/bin/bun")

    assert find_bun({"PATH": str(script.parent)}, tmp_path / "project") == real


def test_a_bunbase_bun_that_is_no_executable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BunMissing, match="BUNBASE_BUN"):
        find_bun({"BUNBASE_BUN": str(tmp_path)})
