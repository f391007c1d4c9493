"""Print the processor time of test files, with that of all processes that they start: `pytest -n 0 -p tests.cpu_time`.

`--durations` shows the time on the clock, which depends on how busy the machine is. A process that has left its parent
(a daemon) is not counted.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

TICKS: Final = os.sysconf("SC_CLK_TCK")
SHOWN: Final = 40
SECONDS: Final[defaultdict[tuple[str, str], float]] = defaultdict(float)  # The keys are the file and the phase.
COLLECTING: Final = "(collecting the tests)"


def pytest_collection_finish() -> None:
    SECONDS[COLLECTING, "call"] = _used()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    SECONDS[report.nodeid.partition("::")[0], report.when or ""] += _used() - sum(SECONDS.values())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    by_file: defaultdict[str, float] = defaultdict(float)
    for (file, _), seconds in SECONDS.items():
        by_file[file] += seconds
    terminalreporter.write_sep("=", f"processor time: {sum(by_file.values()):.0f} s (setup, call, teardown)")
    for file, seconds in sorted(by_file.items(), key=lambda one: -one[1])[:SHOWN]:
        phases = " ".join(f"{SECONDS[file, phase]:6.1f}" for phase in ("setup", "call", "teardown"))
        terminalreporter.write_line(f"{seconds:7.1f} ({phases}) {file}")


def _used() -> float:
    """Return the seconds that this process and all its descendants have used until now."""
    ticks: dict[int, int] = {}
    parents: dict[int, int] = {}
    for pid, fields in _processes():
        parents[pid] = int(fields[1])
        # This is the time of the process itself, and of its children that have ended.
        ticks[pid] = sum(int(field) for field in fields[11:15])
    return sum(used for pid, used in ticks.items() if _is_below(pid, parents)) / TICKS


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # The process has ended meanwhile.
            yield int(entry.name), (entry / "stat").read_bytes().rpartition(b") ")[2].split()


def _is_below(pid: int, parents: dict[int, int]) -> bool:
    while pid != os.getpid() and pid in parents:
        pid = parents[pid]
    return pid == os.getpid()
