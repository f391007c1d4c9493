from __future__ import annotations

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi


def test_an_administrator_removes_the_factors_of_an_account(signed_in: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("admin", "reset-factors", "usr_bob")

    assert (said.code, signed_in.without_factors) == (0, ["usr_bob"])
    assert "usr_bob has no factors any more" in said.err
