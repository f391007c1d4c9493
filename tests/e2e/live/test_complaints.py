"""Each complaint of the list has tests, and each test that names a complaint is in the list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.live.complaints import COMPLAINTS

TESTS = Path(__file__).parents[2]
NAMED = re.compile(r"^(?:async )?def (test_complaints?_\w+)", re.MULTILINE)
NUMBER = re.compile(r"complaints?((?:_(?:\d+|and))+)_")


def test_there_are_34_complaints() -> None:
    assert list(COMPLAINTS) == list(range(1, 35))


@pytest.mark.parametrize("number", COMPLAINTS)
def test_each_test_of_a_complaint_exists(number: int) -> None:
    for name in COMPLAINTS[number].tests:
        path, _, wanted = name.partition("::")
        text = (TESTS / path).read_text()
        if path.endswith(".mjs"):
            assert f'claim("{wanted}' in text, name
        else:
            assert re.search(rf"^(async )?def {wanted}\(", text, re.MULTILINE), name


def test_each_test_that_names_a_complaint_is_in_the_list_under_its_number() -> None:
    missing = []
    for path in TESTS.rglob("test_*.py"):
        for name in NAMED.findall(path.read_text()):
            found = NUMBER.search(name)
            assert found is not None, name
            numbers = [int(one) for one in found[1].split("_") if one.isdigit()]
            listed = f"{path.relative_to(TESTS)}::{name}"
            missing += [(one, listed) for one in numbers if listed not in COMPLAINTS[one].tests]
    assert missing == []
