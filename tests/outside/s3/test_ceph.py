from __future__ import annotations

import re
from pathlib import Path

from tests.outside.s3.ceph import left_out

DOCS = Path(__file__).parents[3] / "docs"


def test_each_reason_is_a_part_of_s3_that_the_docs_call_unsupported() -> None:
    section = (DOCS / "s3.md").read_text("utf-8").partition("## Not supported\n")[2].partition("\n## ")[0]

    assert re.findall(r"^- (.*)$", section, re.MULTILINE) == [one.reason for one in left_out()]


def test_no_test_has_two_reasons() -> None:
    tests = [test for one in (*left_out(), *left_out("suite")) for test in one.tests]

    assert sorted(set(tests)) == sorted(tests)


def test_each_reason_leaves_something_out() -> None:
    assert [
        one.reason for one in (*left_out(), *left_out("suite")) if not (one.markers or one.words or one.tests)
    ] == []
