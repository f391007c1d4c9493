from __future__ import annotations

from bunbase.pkg.cache import Cache


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_full_cache_drops_the_least_recently_used_entry() -> None:
    cache: Cache[str, int] = Cache(2, ttl_seconds=60)
    cache.put("a", 1)
    cache.put("b", 2)

    cache.get("a")
    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_a_cache_returns_no_entry_after_its_ttl() -> None:
    clock = Seconds()
    cache: Cache[str, int] = Cache(10, ttl_seconds=60, clock=clock)
    cache.put("short", 1, ttl_seconds=5)
    cache.put("never longer than the cache says", 2, ttl_seconds=600)

    clock.now = 5.0
    assert cache.get("short") is None
    clock.now = 60.0

    assert cache.get("never longer than the cache says") is None
    assert len(cache) == 0


def test_entries_can_be_dropped_by_key_by_condition_or_all_at_once() -> None:
    cache: Cache[str, int] = Cache(10, ttl_seconds=60)
    for number in range(6):
        cache.put(str(number), number)

    cache.drop("0")
    cache.drop("not there")
    cache.drop_where(lambda value: value % 2 == 1)

    assert sorted(cache.entries) == ["2", "4"]
    cache.clear()
    assert len(cache) == 0
