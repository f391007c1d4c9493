"""Run conformance suites of others against a real server, and print their results.

    make outside                         every suite that is in the folder
    make outside SUITES="cel wycheproof" only these

The suites are not part of this repository. docs/conformance.md names them, with the commits that we have run.
BUNBASE_SUITES is the folder that contains them (by default ~/.cache/bunbase-suites). The command exits with 1 if a test
fails for a reason that our docs do not describe.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.outside import cel, fuzz, http1, json_parsing, json_schema, mongodb, websocket, wycheproof
from tests.outside.project import Project, program, running_project
from tests.outside.s3 import runs as s3
from tests.outside.tally import SHOWN, Tally

SUITES: Final = Path(os.environ.get("BUNBASE_SUITES") or Path.home() / ".cache" / "bunbase-suites")
HERE: Final = Path(__file__).parent
TOOLS: Final = SUITES / "venv"
STEP_SECONDS: Final = 600.0

# The folder of each suite (empty for a tool), and the call that runs the suite.
RUNS: Final[dict[str, tuple[str, Callable[[Project], Iterable[Tally]]]]] = {
    "wycheproof": ("wycheproof", lambda _: wycheproof.run(SUITES)),
    "http1": ("llhttp", lambda _: http1.run(SUITES)),
    "json_parsing": ("JSONTestSuite", lambda project: json_parsing.run(SUITES, project)),
    "json_schema": ("JSON-Schema-Test-Suite", lambda project: json_schema.run(SUITES, project)),
    "cel": ("cel-spec", lambda project: _cel(project)),
    "mongodb": ("functional-tests", lambda project: mongodb.run(SUITES, project, TOOLS / "bin" / "python")),
    "s3": ("s3-tests", lambda project: s3.run_ceph(SUITES, project, TOOLS / "bin" / "python")),
    "s3_clients": ("", lambda project: s3.run_clients(SUITES, project, TOOLS / "bin")),
    "websocket": ("", lambda project: websocket.run(project, TOOLS / "bin" / "python")),
    "fuzz": ("", lambda project: fuzz.run(project, TOOLS / "bin" / "schemathesis")),
}


def main(names: list[str]) -> int:
    """Run the named suites, or all that are there. Return the exit code."""
    warnings.simplefilter("ignore")  # The suites contain weak keys, about which joserfc warns.
    if unknown := set(names) - RUNS.keys():
        sys.exit(f"There is no suite {sorted(unknown)[0]}. The suites are: {', '.join(RUNS)}.")
    _install_tools()
    failed = 0
    for name in names or RUNS:
        folder, run = RUNS[name]
        if not (SUITES / folder).is_dir():
            sys.stdout.write(f"{name}: left out, because {SUITES / folder} does not exist; see docs/conformance.md\n")
            continue
        for tally in results_of(name, run):
            sys.stdout.write(tally.text() + "\n")
            sys.stdout.flush()
            failed += len(tally.failed)
    return 1 if failed else 0


def results_of(name: str, run: Callable[[Project], Iterable[Tally]]) -> Iterator[Tally]:
    """Yield the results of one suite. A run that breaks off is a failure, and the next suite still runs."""
    try:
        with running_project() as project:
            yield from run(project)
    except Exception as error:  # The error may come from a suite, from its tools or from the server.
        traceback.print_exc()
        yield Tally(name, failed=[f"the run broke off: {error!r}"[:SHOWN]])


def _cel(project: Project) -> list[Tally]:
    command = program(TOOLS / "bin" / "python", HERE / "cel_to_json.py")
    subprocess.run((*command, SUITES / "cel-spec", SUITES / "cel.json"), check=True, timeout=STEP_SECONDS)
    return cel.run(SUITES, project)


def _install_tools() -> None:
    """Install the tools of the suites in an environment of their own, unless they are there."""
    done = TOOLS / ".done"
    wanted = (HERE / "requirements.txt").read_text("utf-8")
    if done.is_file() and done.read_text("utf-8") == wanted:
        return
    subprocess.run((sys.executable, "-m", "venv", "--clear", TOOLS), check=True, timeout=STEP_SECONDS)
    pip = (TOOLS / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
    subprocess.run(pip, check=True, timeout=STEP_SECONDS)
    done.write_text(wanted, "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
