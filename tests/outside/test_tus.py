"""How the run of the TUS clients counts an upload."""

from __future__ import annotations

import pytest

from tests.outside.tally import Tally
from tests.outside.tus import count, ended_well


@pytest.mark.parametrize(
    ("code", "said", "well"),
    [
        (0, b"complete\n", True),
        (0, b"a warning\ncomplete\n", True),
        (0, b"", False),
        (1, b"complete\n", False),
        (None, b"it did not end in time", False),
    ],
)
def test_a_client_ends_well_only_if_it_says_that_the_upload_is_complete(
    code: int | None, said: bytes, well: bool
) -> None:
    """Before, a client that waited for ever passed, because its exit code was 0."""
    assert ended_well(code, said) is well


def test_an_upload_that_fails_for_a_known_reason_is_no_failure() -> None:
    tally = Tally("clients")

    count(tally, Tally("clients", passed=1, failed=["no content"]), "the client waits")

    assert (tally.passed, tally.failed, tally.known["the client waits"]) == (0, [], 1)


def test_an_upload_that_passes_in_spite_of_its_reason_is_a_failure() -> None:
    tally = Tally("clients")

    count(tally, Tally("clients", passed=3), "the client waits")

    assert len(tally.failed) == 1
    assert "the client waits" in tally.failed[0]


def test_an_upload_without_a_reason_is_counted_as_it_is() -> None:
    tally = Tally("clients", passed=3, failed=["first"])

    count(tally, Tally("clients", passed=2, failed=["second"]), "")

    assert (tally.passed, tally.failed, tally.known.total()) == (5, ["first", "second"], 0)
