"""The switch of the sandbox: on by default, or off by an explicit setting. If on, it confines each new worker."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from bunbase.contracts.functions.problems import FunctionsUnavailable
from bunbase.functions.sandbox.cgroups import base_group
from bunbase.functions.sandbox.confine import Confinement
from bunbase.functions.sandbox.layers import ConfineWith, Layers, layers_here
from bunbase.functions.sandbox.worker_cgroups import Cgroup, WorkerCgroups

CLOSE_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 0.02


class Switch(StrEnum):
    ON = "on"  # functions run only if the required layers work
    OFF = "off"  # functions run without a sandbox


class Sandbox:
    """The sandbox of all workers. The first use probes the machine, and the result is cached.

    `runtime`: the folder that workers must read. `max_cpus`: the number of processors that a worker may use; only the
    layer `cgroups` can enforce it.
    """

    def __init__(
        self,
        switch: Switch,
        runtime: Path,
        confine_with: ConfineWith = ConfineWith.AUTO,
        max_cpus: float | None = None,
    ) -> None:
        self.switch = switch
        self.runtime = runtime
        self.confine_with = confine_with
        self.max_cpus = max_cpus
        self.cgroups: WorkerCgroups | None = None
        self._opening = asyncio.Lock()

    @property
    def off(self) -> bool:
        return self.switch is Switch.OFF

    async def layers(self) -> tuple[str, ...]:
        """Return the names of the active layers. The result is empty if functions run unconfined or cannot run here."""
        if self.off:
            return ()
        # If a caller is cancelled, the probe must continue for other callers.
        found = await asyncio.shield(self._looked)
        return () if found.refusal else found.active

    async def confinement(self, memory_mb: int) -> Confinement | None:
        """Return the confinement of a new worker, or None if the sandbox is off.

        Raises: FunctionsUnavailable if this machine cannot confine functions.
        """
        if self.off:
            return None
        # If a caller is cancelled, the probe must continue for other callers.
        found = await asyncio.shield(self._looked)
        if found.refusal:
            raise FunctionsUnavailable(
                f"Functions cannot be confined here ({found.refusal}). Run `bunbase doctor` for details. "
                'To run trusted code without a sandbox, set functions.sandbox = "off".'
            )
        return found.confinement(memory_mb)

    async def cgroup(self, memory_mb: int) -> Cgroup | None:
        """Make a control group for a new worker. Return None if the layer is missing. Raises: FunctionsUnavailable."""
        if "cgroups" not in await self.layers():
            return None
        try:
            async with self._opening:
                if self.cgroups is None:
                    self.cgroups = await asyncio.to_thread(WorkerCgroups, base_group(), self.max_cpus)
            return await asyncio.to_thread(self.cgroups.make, memory_mb)
        except OSError as error:
            raise FunctionsUnavailable(f"A worker could not be given a cgroup: {error}.") from error

    def tidy(self) -> None:
        """Remove the control groups of workers that have ended."""
        if self.cgroups is not None:
            self.cgroups.tidy()

    async def close(self) -> None:
        """Remove all control groups after the workers have ended. The next server removes groups that remain."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self.cgroups is not None and not self.cgroups.close():  # noqa: ASYNC110 - the kernel sends no event
                    await asyncio.sleep(PAUSE_SECONDS)

    @cached_property
    def _looked(self) -> asyncio.Task[Layers]:
        return asyncio.ensure_future(asyncio.to_thread(layers_here, self.runtime, self.confine_with))
