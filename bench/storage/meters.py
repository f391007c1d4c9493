"""Measure the costs of a server: processor time, memory, and the turns of BunBase's event loop."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from bench.storage.work import Server

TICK: Final = os.sysconf("SC_CLK_TCK")
SIZES: Final = re.compile(r"^(VmHWM|VmRSS):\s+(\d+) kB$", re.MULTILINE)
RESET_PEAK: Final = "5"  # written to /proc/<pid>/clear_refs, this sets the peak to the present size


class Cost(msgspec.Struct):
    """`cpu`: processor time in seconds. `growth`: the largest resident memory during the block above the memory of the
    resting server, in MiB, without PostgreSQL, whose shared buffers fill. A later block includes memory that a server
    kept after an earlier one: only the first block shows its own growth. `turn`: the processor time of the longest turn
    of the event loop in milliseconds. `late`: the longest time between two turns, which includes other threads and
    other processes.
    """

    cpu: float = 0.0
    growth: float = 0.0
    turn: float = 0.0
    late: float = 0.0


@contextmanager
def costing(server: Server) -> Iterator[Cost]:
    """Measure the block. The Cost has its values when the block has ended."""
    cost = Cost()
    folders = processes_of(server)
    before, began = _cpu(folders), time.monotonic()
    for folder in folders:
        with suppress(OSError, KeyError):
            (folder / "clear_refs").write_text(RESET_PEAK)
            server.resting.setdefault(folder.name, _size(folder, "VmRSS"))
    yield cost
    cost.cpu = _cpu(folders) - before
    for folder in folders:
        with suppress(OSError, KeyError):
            if "postgres" not in (folder / "comm").read_text():
                cost.growth += max(0.0, _size(folder, "VmHWM") - server.resting[folder.name])
    if server.beats is not None:
        lines = [tuple(map(float, line.split())) for line in server.beats.read_text().splitlines()]
        mine = [(cpu, wall) for at, cpu, wall in lines if at >= began]
        cost.turn = max((cpu for cpu, _ in mine), default=0.0)
        cost.late = max((wall for _, wall in mine), default=0.0)


def processes_of(server: Server) -> list[Path]:
    """Return the folders in /proc of a server's processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if server.process.encode() in told:
                found.append(folder)
    return found


def _cpu(folders: list[Path]) -> float:
    total = 0
    for folder in folders:
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def _size(folder: Path, what: str) -> float:
    sizes = dict(SIZES.findall((folder / "status").read_text()))
    return int(sizes[what]) / 1024
