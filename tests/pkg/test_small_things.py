"""The libraries that fit on a page: ids, clock, cache, opaque secrets, addresses, context, readiness, secret files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.addresses import normal_email
from bunbase.pkg.cache import Cache
from bunbase.pkg.clock import ManualClock, SystemClock, rfc3339
from bunbase.pkg.context import deadline_in, seconds_left
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import CROCKFORD, new_id
from bunbase.pkg.opaque import fingerprint, hint, new_secret, open_with, seal_with
from bunbase.pkg.secret_files import create_secret_file, replace_secret_file


def test_ids_sort_by_creation_and_never_repeat() -> None:
    ids = [new_id("prj") for _ in range(20_000)]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 30 and set(one[4:]) <= set(CROCKFORD) for one in ids[:100])


def test_an_id_without_a_prefix_has_no_underscore() -> None:
    assert len(new_id()) == 26


def test_times_are_written_with_milliseconds() -> None:
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5, 6789, UTC)) == "2026-01-02T03:04:05.006Z"
    assert rfc3339(ManualClock().now()) == "2026-01-01T00:00:00.000Z"
    assert SystemClock().now().microsecond % 1000 == 0


def test_the_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock()
    start = clock.now()

    clock.advance(1.5)

    assert (clock.now() - start).total_seconds() == 1.5


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_cache_drops_the_least_recently_used() -> None:
    cache: Cache[str, int] = Cache(2, ttl_seconds=60)
    cache.put("a", 1)
    cache.put("b", 2)

    cache.get("a")
    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_a_cache_serves_nothing_after_its_time() -> None:
    clock = Seconds()
    cache: Cache[str, int] = Cache(10, ttl_seconds=60, clock=clock)
    cache.put("short", 1, ttl_seconds=5)
    cache.put("never longer than the cache says", 2, ttl_seconds=600)

    clock.now = 5.0
    assert cache.get("short") is None
    clock.now = 60.0

    assert cache.get("never longer than the cache says") is None
    assert len(cache) == 0


def test_a_cache_forgets_what_it_is_told_to() -> None:
    cache: Cache[str, int] = Cache(10, ttl_seconds=60)
    for number in range(6):
        cache.put(str(number), number)

    cache.drop("0")
    cache.drop("not there")
    cache.drop_where(lambda value: value % 2 == 1)

    assert sorted(cache.entries) == ["2", "4"]
    cache.clear()
    assert len(cache) == 0


def test_secrets_are_long_and_stored_only_as_a_hash() -> None:
    secret = new_secret("sk")

    assert secret.startswith("sk_")
    assert secret[3:].isalnum()
    assert len(secret) == 46
    assert len(fingerprint(secret)) == 32
    assert fingerprint(secret) != fingerprint(new_secret("sk"))
    assert hint("sk_abcdefgh") == "sk_abcd…"


def test_only_the_secret_opens_what_it_sealed() -> None:
    sealed = seal_with("one", b"the pair")

    assert open_with("one", sealed) == b"the pair"
    assert seal_with("one", b"the pair") != sealed
    with pytest.raises(InvalidTag):
        open_with("another", sealed)
    with pytest.raises(InvalidTag):
        open_with("one", sealed[:-1] + bytes([sealed[-1] ^ 1]))


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (" Ada@Example.COM ", "ada@example.com"),
        ("a@localhost", "a@localhost"),
        ("first.last+tag@sub.example.co.uk", "first.last+tag@sub.example.co.uk"),
    ],
)
def test_an_address_is_stored_trimmed_and_in_lower_case(written: str, stored: str) -> None:
    assert normal_email(written) == stored


@pytest.mark.parametrize(
    "written",
    ["", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", "a@.com", "a@com.", "a@b..c", "<a@b.c>", "a\n@b.c"],
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normal_email(written)

    assert refused.value.extra["errors"][0]["path"] == "/email"


@pytest.mark.parametrize("written", ["a" * 65 + "@example.com", "a@" + "b" * 253])
def test_an_address_beyond_the_standards_length_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput):
        normal_email(written)


@given(st.text(max_size=40))
def test_a_normal_address_stays_as_it_is(text: str) -> None:
    try:
        normal = normal_email(text)
    except InvalidInput:
        return

    assert normal_email(normal) == normal


def test_an_inner_deadline_never_outlives_the_outer() -> None:
    with deadline_in(5):
        with deadline_in(500):
            assert 0 < seconds_left(1000) <= 5
        with deadline_in(0):
            assert seconds_left(1000) == 0
        assert seconds_left(2) == 2
    assert seconds_left(1000) == 1000


def test_a_secret_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key"
    old = os.umask(0)

    try:
        first, second = create_secret_file(path, "one"), create_secret_file(path, "two")
    finally:
        os.umask(old)

    assert (first, second, path.read_text()) == (True, False, "one")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_a_secret_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_secret_file(path, "one")

    replace_secret_file(path, "two")

    assert path.read_text() == "two"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
