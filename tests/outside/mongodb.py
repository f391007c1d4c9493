"""documentdb/functional-tests: the tests of query and update operators, with their own assertions.

Only `conftest.py` of the suite is replaced (`mongodb_conftest.py`). Our codes of errors differ from those of MongoDB,
so any refusal is right where the suite expects an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
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
    "query/misc/exists",
    "query/misc/mod",
    "query/misc/regex",
    "query/misc/type",
    "update/array",
    "update/fields",
    "update/modifiers",
    "update/bitwise",
)
RUN_SECONDS: Final = 1200.0

# docs/queries.md lists these differences. The keys are texts in the name of a test or in its failure.
DOCUMENTED: Final[dict[str, re.Pattern[str]]] = {
    "$gt and its relatives compare only strings, numbers, true and false": re.compile(
        r"The value must be a string, a number, true or false"
    ),
    "a number in the path of a filter is the name of a field": re.compile(
        r"^.*(array_index|numeric_index|numeric_path|element_by_index|double_index|index_0|dot_notation_array_of_arrays)"
        r"|(on|with) (array|'a|'?a\.)[^\n]*(index|\.\d)"
    ),
    "limits of filters and patterns": re.compile(r"A (filter|path|pattern) (has|may have) at most|may contain at most"),
    "patterns of RE2, with the options i, m and s": re.compile(r"does not accept this pattern|\$options may have"),
    "$exists takes true, false, 1 or 0": re.compile(r"\$exists takes true or false"),
    "$mod takes two integers": re.compile(r"\$mod takes a list of two integers"),
    "a pattern may contain U+0000": re.compile(r"null byte in string pattern"),
    "empty names and names with $": re.compile(r"A path has 1 to 500|empty_string_field_name"),
    "$currentDate writes text": re.compile(r"test_currentDate_"),
    "JSON has one kind of number": re.compile(r"test_set_cross_type_same_value"),
    "an overflow is refused": re.compile(r"'val': -?inf"),
    "the driver of MongoDB refuses the request itself": re.compile(r"by the BSON encoder"),
    "names that begin with $": re.compile(r"dollar_prefix|without_each|names? (that )?begins? with \$"),
    "$type has the types of JSON": re.compile(r"The types of JSON are|int_not_match_long"),
    "the values of $all are no conditions": re.compile(r"cannot contain operators other than \$regex"),
    "a pattern in $in, $nin and $all is accepted": re.compile(r"(dollar_regex|with_regex)_expression_rejected"),
}


def run(suites: Path, project: Project, python: Path) -> Iterator[Tally]:
    """Yield the results of each part. `python`: the interpreter of an environment with pytest and pymongo."""
    suite = suites / "functional-tests"
    shutil.copyfile(HERE / "mongodb_conftest.py", suite / "documentdb_tests" / "conftest.py")
    for part in PARTS:
        yield _part(suite, project, python, part)


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
        check=False,  # the program exits with 1 if a test fails
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
