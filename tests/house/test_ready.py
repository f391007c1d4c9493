from __future__ import annotations

import pytest

from bunbase.contracts.functions import Functions
from bunbase.house.build import House
from bunbase.house.ready import readiness
from bunbase.pkg.modules import Rooms


class Confined:
    def __init__(self, *layers: str) -> None:
        self.layers = layers

    async def sandbox_layers(self) -> tuple[str, ...]:
        return self.layers


@pytest.mark.parametrize(
    ("functions", "detail"),
    [
        (Confined("landlock", "seccomp"), "confined by landlock, seccomp"),
        (Confined(), "not confined: only functions.sandbox = off runs functions"),
    ],
)
async def test_readiness_says_what_confines_functions(functions: Confined, detail: str) -> None:
    house = House(Rooms({Functions: functions}))

    answer, good = await readiness(house, "").report()

    assert good
    assert answer["checks"] == {"functions": {"status": "ok", "detail": detail}}
