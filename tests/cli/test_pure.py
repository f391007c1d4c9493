from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.cli.address import is_loopback, normal_url, server_url
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.output import visible
from bunbase.cli.sse import Event, events
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
def test_an_address_has_one_form(given: str, normal: str) -> None:
    assert normal_url(given) == normal


@pytest.mark.parametrize("given", ["example.com", "ftp://x", "http://", "http://x:99999", "http://a:b@x", "http://x?y"])
def test_invalid_addresses_are_refused(given: str) -> None:
    with pytest.raises(Usage):
        normal_url(given)


def test_the_flag_overrides_the_environment_which_overrides_the_last_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_url("", "") == "http://127.0.0.1:7070"
    monkeypatch.setenv("BUNBASE_PORT", "7190")
    assert server_url("", "") == "http://127.0.0.1:7190"
    assert server_url("", "http://last") == "http://last"
    monkeypatch.setenv("BUNBASE_URL", "http://environment")
    assert server_url("", "http://last") == "http://environment"
    assert server_url("http://flag", "http://last") == "http://flag"


def test_loopback_is_this_machine_only() -> None:
    assert all(is_loopback(url) for url in ("http://localhost", "http://127.8.0.1:1", "http://[::1]"))
    assert not is_loopback("http://10.0.0.1")


@given(st.lists(st.integers(1, len(STREAM) - 1)))
def test_events_are_the_same_however_the_stream_is_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    parts = [STREAM[start:end] for start, end in itertools.pairwise(edges)]

    assert list(events(parts)) == [Event("message", "7", "one\ntwo"), Event("ping", "", "{}")]


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(Failure):
        list(events([b"x" * 1_000_000] * 3))


def test_control_characters_are_not_shown() -> None:
    assert visible("a\x1b[31mb\x9bc\td\n\x00") == "a[31mbc\td\n"
    assert visible("paid \u202etnuoma\u202c \u2066x\u2069") == "paid tnuoma x"


def bun_at(path: Path, content: bytes = b"\x7fELF") -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_bun_is_the_named_one_then_on_path_then_in_node_modules_above(tmp_path: Path) -> None:
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


def test_a_named_file_that_is_not_bun_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BunMissing, match="BUNBASE_BUN"):
        find_bun({"BUNBASE_BUN": str(tmp_path)})
