"""Commands whose request needs a recent reauthentication.

`bunbase admin replace-signing-keys` stands for all of them.
"""

from __future__ import annotations

import pytest

from bunbase.cli.credentials import credentials_file
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import EMAIL, PASSWORD, FakeApi

REPLACE = ("admin", "replace-signing-keys", "--yes")


def at_terminal(patch: pytest.MonkeyPatch, secrets: list[str] | None = None, lines: list[str] | None = None) -> None:
    """Let a person type these passwords and lines, in this order."""
    patch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    patch.setattr("bunbase.cli.proofs.ask_secret", lambda *_: (secrets or []).pop(0))
    patch.setattr("bunbase.cli.proofs.ask", lambda *_: (lines or []).pop(0))


def test_an_administrator_replaces_the_signing_keys(signed_in: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase(*REPLACE, "--json")

    assert (said.document, signed_in.replaced_keys) == ({"replaced": True}, 1)


def test_the_signing_keys_stay_without_a_confirmation(signed_in: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase(*REPLACE[:-1]).code == 2

    assert signed_in.replaced_keys == 0


def test_at_a_terminal_a_command_asks_for_the_password_and_sends_its_request_once_more(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.proofs = ["password", "code"]
    at_terminal(monkeypatch, secrets=["wrong", PASSWORD])

    said = bunbase(*REPLACE)

    assert (said.code, signed_in.replaced_keys, signed_in.refreshes) == (0, 1, 0)
    assert "This proof is wrong" in said.err


def test_an_account_without_a_password_proves_itself_by_a_code(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.proofs, signed_in.code = ["code", "sign_in"], "123456"
    at_terminal(monkeypatch, lines=["123456"])

    assert bunbase(*REPLACE).code == 0

    assert signed_in.replaced_keys == 1


def test_an_expired_token_is_renewed_before_the_person_is_asked(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.expire()
    with credentials_file().changing() as credentials:
        credentials.server(signed_in.url).expires_at = 2**40
    signed_in.proofs = ["password"]
    at_terminal(monkeypatch, secrets=[PASSWORD])

    assert bunbase(*REPLACE).code == 0

    assert (signed_in.replaced_keys, signed_in.refreshes) == (1, 1)


def test_after_three_wrong_proofs_the_command_gives_up(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.proofs = ["password"]
    at_terminal(monkeypatch, secrets=["wrong", "wrong", "wrong", PASSWORD])

    said = bunbase(*REPLACE)

    assert (said.code, signed_in.replaced_keys) == (1, 0)
    assert "This proof is wrong" in said.err.splitlines()[-2]


@pytest.mark.parametrize("terminal", [False, True], ids=["no-terminal", "terminal-with-json"])
def test_a_command_that_cannot_ask_tells_how_to_prove_it_before(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    signed_in.proofs = ["password"]
    if terminal:
        at_terminal(monkeypatch)

    said = bunbase(*REPLACE, "--json")

    assert (said.code, said.out, signed_in.replaced_keys) == (1, "", 0)
    problem = said.err.splitlines()[-1]
    assert '"reauthentication_required"' in problem
    assert f"bunbase login --email {EMAIL} --password-stdin" in problem


def test_an_account_with_only_another_service_is_told_to_sign_in_again(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.proofs = ["passkey", "sign_in"]
    at_terminal(monkeypatch)

    said = bunbase(*REPLACE)

    assert (said.code, signed_in.replaced_keys) == (1, 0)
    assert "bunbase login --provider" in said.err
