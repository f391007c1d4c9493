"""Decrypts a project's variables for workers, and for owners who reveal them, and caches them in plain text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from bunbase.contracts.bunkms import Kms
from bunbase.functions.store.variables import SealedVariable, VariableStore
from bunbase.functions.workers.deployment import Deployment
from bunbase.pkg.cache import Cache

SIZE: Final = 1000
TTL_SECONDS: Final = 900.0  # BunKMS does not allow any process to keep plain text longer.


def context_of(name: str) -> str:
    """Return the encryption context of a variable. A sealed value cannot be decrypted under another name."""
    return f"functions/variable/{name}"


class VariableValues(msgspec.Struct, frozen=True):
    """The variables in plain text. `exposed`: the variables that functions can read. `all`: also the hidden variables.

    The server fills hidden variables into headers of `fetch`.
    """

    all: dict[str, str]
    exposed: dict[str, str]


class Environments:
    def __init__(self, store: VariableStore, kms: Kms) -> None:
        self.store = store
        self.kms = kms
        self.cache: Cache[tuple[str, int], VariableValues] = Cache(SIZE, TTL_SECONDS)

    async def values(self, project: str, revision: int) -> VariableValues:
        """Return the variables at `revision` or at a later revision."""
        values = self.cache.get((project, revision))
        if values is None:
            sealed = await self.store.variables(project)
            everything = dict(zip([one.name for one in sealed], await self.unseal(project, sealed), strict=True))
            exposed = {one.name: everything[one.name] for one in sealed if one.exposed}
            values = VariableValues(everything, exposed)
            self.cache.put((project, revision), values)
        return values

    async def all_values(self, deployment: Deployment) -> Mapping[str, str]:
        """Return all variables of a deployment, including hidden variables."""
        return (await self.values(deployment.project, deployment.environment)).all

    async def current(self, project: str) -> VariableValues:
        return await self.values(project, await self.store.revision(project))

    async def unseal(self, project: str, sealed: list[SealedVariable]) -> list[str]:
        plain = await asyncio.gather(*(self.kms.unseal(project, context_of(one.name), one.sealed) for one in sealed))
        return [value.decode() for value in plain]

    async def seal(self, project: str, name: str, value: str) -> str:
        return await self.kms.seal(project, context_of(name), value.encode())

    def forget(self, project: str) -> None:
        for key in [key for key in self.cache.entries if key[0] == project]:
            self.cache.drop(key)
