"""A token of a signed link is refused if any part is changed, after its end, and in another project."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from bunbase.contracts.storage import InvalidLink
from bunbase.storage.links import Grant, checked, signed

ROOTS = {1: bytes(range(32)), 2: bytes(32)}
GRANT = Grant(1, 5, "a/b", "GET", 1000, "key_1")
TOKEN = signed(ROOTS[1], "prj_a", GRANT)


def test_a_token_gives_its_right_until_it_ends() -> None:
    assert checked(ROOTS, "prj_a", TOKEN, 999.9) == GRANT
    with pytest.raises(InvalidLink):
        checked(ROOTS, "prj_a", TOKEN, 1000)


@pytest.mark.parametrize("project", ["prj_b", "", "prj_a\n"])
def test_another_project_refuses_it(project: str) -> None:
    with pytest.raises(InvalidLink):
        checked(ROOTS, project, TOKEN, 0)


CHANGES: list[dict[str, object]] = [
    {"key": "a/c"},
    {"method": "PUT"},
    {"until": 2000},
    {"bucket": 6},
    {"root": 2},
    {"root": 3},
    {"max_bytes": 9},
]
NO_TOKENS = ["", ".", "a", "a.b", "é.é", "e30.", "[" * 9000, TOKEN[:-1], TOKEN + "=", "=" + TOKEN, f"{TOKEN}.{TOKEN}"]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_changed_right_is_refused(changes: dict[str, object]) -> None:
    changed = msgspec.json.encode(msgspec.structs.replace(GRANT, **changes))
    text = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()

    with pytest.raises(InvalidLink):
        checked(ROOTS, "prj_a", f"{text}.{TOKEN.partition('.')[2]}", 0)


@pytest.mark.parametrize("token", NO_TOKENS)
def test_other_texts_are_no_tokens(token: str) -> None:
    with pytest.raises(InvalidLink):
        checked(ROOTS, "prj_a", token, 0)


def test_every_changed_letter_of_a_token_is_refused() -> None:
    for at in range(len(TOKEN)):
        other = "A" if TOKEN[at] != "A" else "B"
        with pytest.raises(InvalidLink):
            checked(ROOTS, "prj_a", TOKEN[:at] + other + TOKEN[at + 1 :], 0)


def test_a_token_shows_what_it_is_for() -> None:
    text = TOKEN.partition(".")[0]
    assert json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["key"] == "a/b"
