"""A project's variables in the clear: for workers about to start, and for owners who ask."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from bunbase.contracts.bunkms import Kms
from bunbase.functions.store.variables import SealedVariable, VariableStore
from bunbase.pkg.cache import Cache

SIZE: Final = 1000
TTL_SECONDS: Final = 900.0  # what BunKMS allows


def context_of(name: str) -> str:
    """Give what a sealed value is bound to besides its project: it opens under no other name."""
    return f"functions/variable/{name}"


class Values(msgspec.Struct, frozen=True):
    """`exposed`: what functions can read. `all`: hidden ones too, for the host to fill into headers."""

    all: dict[str, str]
    exposed: dict[str, str]


class Environments:
    def __init__(self, store: VariableStore, kms: Kms) -> None:
        self.store = store
        self.kms = kms
        self.cache: Cache[tuple[str, int], Values] = Cache(SIZE, TTL_SECONDS)

    async def values(self, project: str, revision: int) -> Values:
        """Give the variables as of `revision` or later."""
        values = self.cache.get((project, revision))
        if values is None:
            sealed = await self.store.variables(project)
            everything = dict(zip([one.name for one in sealed], await self.unseal(project, sealed), strict=True))
            exposed = {one.name: everything[one.name] for one in sealed if one.exposed}
            values = Values(everything, exposed)
            self.cache.put((project, revision), values)
        return values

    async def current(self, project: str) -> Values:
        return await self.values(project, await self.store.revision(project))

    async def unseal(self, project: str, sealed: list[SealedVariable]) -> list[str]:
        plain = await asyncio.gather(*(self.kms.unseal(project, context_of(one.name), one.sealed) for one in sealed))
        return [value.decode() for value in plain]

    async def seal(self, project: str, name: str, value: str) -> str:
        return await self.kms.seal(project, context_of(name), value.encode())

    def forget(self, project: str) -> None:
        for key in [key for key in self.cache.entries if key[0] == project]:
            self.cache.drop(key)
