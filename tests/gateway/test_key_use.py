"""The gateway reports the use of keys once a minute."""

from __future__ import annotations

from typing import cast

from bunbase.contracts.keys import UsedKey
from bunbase.contracts.platform import Platform
from bunbase.gateway.key_use import KeyUse
from bunbase.pkg.errors import Unreachable


class Listening:
    """A Platform that records reports. While `reachable` is False, it refuses them."""

    def __init__(self) -> None:
        self.reachable = True
        self.reports: list[tuple[UsedKey, ...]] = []

    async def keys_used(self, used: tuple[UsedKey, ...]) -> None:
        if not self.reachable:
            raise Unreachable("Platform is down.")
        self.reports.append(used)


async def test_many_uses_of_a_key_are_one_report() -> None:
    platform = Listening()
    use = KeyUse(cast(Platform, platform), now=lambda: 60.0)

    for _ in range(3):
        use.note("key_a")
    use.note("key_b")
    await use.flush()
    await use.flush()

    assert platform.reports == [(UsedKey("key_a", 60.0), UsedKey("key_b", 60.0))]


async def test_a_failed_report_is_repeated_with_the_next_one() -> None:
    platform = Listening()
    use = KeyUse(cast(Platform, platform), now=lambda: 60.0)
    platform.reachable = False
    use.note("key_a")
    await use.flush()

    platform.reachable = True
    use.note("key_b")
    await use.flush()

    assert platform.reports == [(UsedKey("key_a", 60.0), UsedKey("key_b", 60.0))]


async def test_a_report_has_at_most_a_thousand_keys() -> None:
    platform = Listening()
    use = KeyUse(cast(Platform, platform))
    for number in range(2500):
        use.note(f"key_{number}")

    await use.flush()

    assert [len(report) for report in platform.reports] == [1000, 1000, 500]
