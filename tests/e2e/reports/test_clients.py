"""Each report of the list has tests, and no two reports are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.reports.clients import REPORTS

TESTS = Path(__file__).parents[2]
SOURCE = re.compile(r"[\w.-]+/[\w.-]+#[0-9]+")


def test_the_reports_are_numbered_and_differ() -> None:
    assert list(REPORTS) == list(range(1, len(REPORTS) + 1))
    for values in ([one.source for one in REPORTS.values()], [one.claim for one in REPORTS.values()]):
        assert len(set(values)) == len(REPORTS)
    assert all(SOURCE.fullmatch(one.source) for one in REPORTS.values())


@pytest.mark.parametrize("number", REPORTS)
def test_each_test_of_a_report_exists(number: int) -> None:
    assert REPORTS[number].tests
    for name in REPORTS[number].tests:
        path, _, wanted = name.partition("::")
        text = (TESTS / path).read_text()
        if path.endswith(".mjs"):
            assert f'claim("{wanted}' in text, name
        else:
            assert re.search(rf"^(async )?def {wanted}\(", text, re.MULTILINE), name
