"""`bench/run projects [n]`: create n projects with one document; read all of them cold, then some often (Zipf)."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
OPEN = (256, 10_000)  # These values of max_open_projects are measured: the default and the maximum.


def main(projects: int = 10_000) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory:
        created = _in_a_process("create", directory, projects, OPEN[0])
        read = [(most, _in_a_process("read", directory, projects, most)) for most in OPEN]
    text = report(projects, created, read)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-projects.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def report(projects: int, created: dict[str, float], read: list[tuple[int, dict[str, float]]]) -> str:
    rows = {
        "first read of a cold project, p50": ("cold_p50", "{:.2f} ms"),
        "first read of a cold project, p99": ("cold_p99", "{:.2f} ms"),
        "first read of a cold project, worst": ("cold_worst", "{:.1f} ms"),
        "hot read in zipf order, p50": ("hot_p50", "{:.3f} ms"),
        "hot read in zipf order, p99": ("hot_p99", "{:.2f} ms"),
        "hot reads that had to open the project": ("hot_opened", "{:.0%}"),
        "first write of a project, p99": ("write_p99", "{:.1f} ms"),
        "projects that may be open, by the limit of descriptors": ("most_open", "{:.0f}"),
        "projects open at the end": ("open", "{:.0f}"),
        "memory after all projects were read": ("read_mib", "{:.0f} MiB"),
        "memory after a quarter of them was also written": ("written_mib", "{:.0f} MiB"),
        "file descriptors at the end": ("descriptors", "{:.0f}"),
        "one round of housekeeping": ("tend_ms", "{:.0f} ms"),
        "time to close all projects": ("close_seconds", "{:.1f} s"),
    }
    lines = [
        f"# {projects:,} projects on one node, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run projects {projects}` runs BundocService in one process. Each project has one document of 400",
        "bytes. Keys are wrapped in this process (AES-GCM); in production, the first read of a cold project also waits",
        "for a call of BunKMS. The files are in the page cache of the operating system. The goal: the first read of a",
        "cold project takes at most 20 ms at p99.",
        "",
        f"Created: {created['a_second']:.0f} projects per second, with at least one fsync for each file, key and",
        "document.",
        "",
        "| `max_open_projects` | " + " | ".join(f"{most:,}" for most, _ in read) + " |",
        "|---|" + "---|" * len(read),
        *(
            f"| {name} | " + " | ".join(form.format(one[key]) for _, one in read) + " |"
            for name, (key, form) in rows.items()
        ),
        "",
        f"- machine: {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5 minutes:"
        f" {os.getloadavg()[1]:.1f} (other work shared the machine if this is above 1)",
        f"- Python {platform.python_version()}, apsw-sqlite3mc {version('apsw-sqlite3mc')}; default settings",
    ]
    return "\n".join(lines) + "\n"


def _in_a_process(what: str, directory: str, projects: int, most_open: int) -> dict[str, float]:
    """Run a phase in a separate process, so that it starts cold and its memory can be measured alone."""
    sys.stderr.write(f"· {what}, {projects} projects, at most {most_open} open\n")
    command = [sys.executable, "-m", "bench.projects.phases", what, directory, str(projects), str(most_open)]
    said: Any = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
    return {name: float(value) for name, value in said.items()}


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:2])))
