"""`bunbase invoke --as` calls a function as an end user, and ends the user's session afterwards."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi


@pytest.fixture
def eve(in_project: FakeApi) -> FakeApi:
    in_project.add_user("usr_eve", "eve@example.com")
    return in_project


@pytest.mark.parametrize("user", ["usr_eve", "eve@example.com"])
@pytest.mark.parametrize("key", [(), ("--key", "pk_1")])
def test_a_function_is_called_as_a_user_and_the_session_ends(
    eve: FakeApi, bunbase: Bunbase, user: str, key: tuple[str, ...]
) -> None:
    said = bunbase("invoke", "hello", "--as", user, "--json", *key)

    assert said.document["body"]["user"] == "usr_eve"
    assert eve.sessions == set()


def test_the_session_ends_also_if_the_call_fails(eve: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("invoke", "broken", "--as", "usr_eve").code == 1

    assert eve.sessions == set()


def test_with_a_secret_key_no_sign_in_is_needed_and_the_hint_tells_the_difference(
    eve: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    bunbase("logout")

    said = bunbase("invoke", "hello", "--as", "usr_eve", "--key", "sk_2")

    assert said.code == 0
    assert "--key pk_" in said.err


@pytest.mark.parametrize("user", ["usr_nobody", "nobody@example.com"])
def test_an_unknown_user_is_refused(eve: FakeApi, bunbase: Bunbase, user: str) -> None:
    said = bunbase("invoke", "hello", "--as", user, "--json")

    assert (said.code, said.problem["code"]) == (1, "user_not_found")


def test_as_cannot_be_combined_with_an_authorization_header(eve: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("invoke", "hello", "--as", "usr_eve", "--header", "Authorization: Bearer x").code == 2
