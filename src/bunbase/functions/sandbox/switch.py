"""On, or off by an explicit choice; and when on, what a new worker is confined by."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from bunbase.contracts.functions import FunctionsUnavailable
from bunbase.functions.sandbox.confine import Confinement
from bunbase.functions.sandbox.layers import ConfineWith, Layers, layers_here


class Switch(StrEnum):
    ON = "on"  # without the required layers no function runs
    OFF = "off"  # for trusted code only: said in the log, and by /api/ready and /api/instance


class Sandbox:
    """Looks at the machine once, when first asked. `runtime`: the folder that workers must be able to read."""

    def __init__(self, switch: Switch, runtime: Path, confine_with: ConfineWith = ConfineWith.AUTO) -> None:
        self.switch = switch
        self.runtime = runtime
        self.confine_with = confine_with

    @property
    def off(self) -> bool:
        return self.switch is Switch.OFF

    async def layers(self) -> tuple[str, ...]:
        """Name what confines functions here: nothing if they run unconfined or not at all."""
        if self.off:
            return ()
        found = await asyncio.shield(self._looked)  # one caller who leaves must not end it for all
        return () if found.refusal else found.active

    async def confinement(self, memory_mb: int) -> Confinement | None:
        """None where it is off. Raises: FunctionsUnavailable if this machine cannot confine functions."""
        if self.off:
            return None
        found = await asyncio.shield(self._looked)  # one caller who leaves must not end it for all
        if found.refusal:
            raise FunctionsUnavailable(
                f"Functions cannot be confined here ({found.refusal}). `bunbase doctor` tells more; "
                'to run trusted code without a sandbox, set functions.sandbox = "off".'
            )
        return found.confinement(memory_mb)

    @cached_property
    def _looked(self) -> asyncio.Task[Layers]:
        return asyncio.ensure_future(asyncio.to_thread(layers_here, self.runtime, self.confine_with))
