"""documentdb/functional-tests: the tests of query and update operators, with their own assertions.

Only `conftest.py` of the suite is replaced (`mongodb_conftest.py`). Our codes of errors differ from those of MongoDB,
so any refusal is right where the suite expects an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tests.outside.project import Project
from tests.outside.tally import Tally

HERE: Final = Path(__file__).parent
OPERATORS: Final = "documentdb_tests/compatibility/tests/core/operator"
PARTS: Final = (
    "query/comparison",
    "query/logical",
    "query/arrays",
    "query/misc",
    "update/array",
    "update/fields",
    "update/modifiers",
    "update/bitwise",
)
RUN_SECONDS: Final = 1200.0

# differences that docs/queries.md lists, by what stands in the id of a test or in its failure
DOCUMENTED: Final[dict[str, re.Pattern[str]]] = {}


def run(suites: Path, project: Project, python: Path) -> list[Tally]:
    """Return the results of each part. `python`: the interpreter of an environment with pytest and pymongo."""
    suite = suites / "functional-tests"
    shutil.copyfile(HERE / "mongodb_conftest.py", suite / "documentdb_tests" / "conftest.py")
    return [_part(suite, project, python, part) for part in PARTS]


def _part(suite: Path, project: Project, python: Path, part: str) -> Tally:
    tally = Tally(f"documentdb/functional-tests {part}")
    report = suite / "report.xml"
    subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "-o", "addopts=", "-o", "xfail_strict=false", "-p", "no:cacheprovider"),
            *("--tb=short", f"--junitxml={report}", f"{OPERATORS}/{part}"),
        ],
        cwd=suite,
        env={**os.environ, "PYTHONPATH": ".", "BUNBASE_URL": project.instance.url, "BUNBASE_KEY": project.secret},
        stdout=subprocess.DEVNULL,
        check=False,  # it exits with 1 if a test fails
        timeout=RUN_SECONDS,
    )
    for case in ElementTree.parse(report).iter("testcase"):
        _count(tally, case)
    return tally


def _count(tally: Tally, case: ElementTree.Element) -> None:
    name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
    skipped, failed = case.find("skipped"), case.find("failure")
    failed = case.find("error") if failed is None else failed
    if skipped is not None:
        tally.skipped[(skipped.get("message") or "").removeprefix("Skipped: ")] += 1
    elif failed is None:
        tally.passed += 1
    else:
        text = failed.text or ""
        reason = next((why for why, part in DOCUMENTED.items() if part.search(f"{name}\n{text}")), "")
        if reason:
            tally.known[reason] += 1
        else:
            found = re.findall(r"^E +(.*)$", text, re.MULTILINE)
            tally.check(False, name, " ".join(found))
