from __future__ import annotations

import pytest

from bunbase.contracts.bunauth.factors import Passkey
from bunbase.contracts.bunauth.openid import Authorization
from bunbase.pkg.qr import qr_lines
from tests.cli.conftest import Bunbase, executable, kept
from tests.cli.fake_accounts import FIRST_CODE
from tests.cli.fake_api import EMAIL, NOW, FakeApi

FACTOR = ("account", "second-factor")


def test_the_passkey_of_a_lost_phone_is_removed_after_a_question_with_its_name(
    signed_in: FakeApi, bunbase: Bunbase
) -> None:
    signed_in.passkeys = [Passkey("psk_1", "phone", True, NOW), Passkey("psk_2", "laptop", False, NOW)]

    asked = executable("account", "passkeys", "remove", "psk_1")
    removed = bunbase("account", "passkeys", "remove", "psk_1", "--yes", "--json").document
    listed = bunbase("account", "passkeys", "list").out

    assert (asked.code, removed) == (2, {"id": "psk_1", "removed": True})
    assert "This removes the passkey phone" in asked.err
    assert ("laptop" in listed, "phone" in listed) == (True, False)


def test_without_a_terminal_the_second_factor_is_turned_on_in_two_steps(signed_in: FakeApi, bunbase: Bunbase) -> None:
    shown = bunbase(*FACTOR, "on")
    wrong = bunbase(*FACTOR, "confirm", "000000")
    confirmed = bunbase(*FACTOR, "confirm", FIRST_CODE, "--json")

    assert "SECRET32" in shown.out
    assert "second-factor confirm" in shown.err
    assert "Your address is not confirmed yet" in shown.err
    assert (wrong.code, signed_in.has_app) == (1, True)
    assert confirmed.document == {"recovery_codes": ["code-1", "code-2"]}
    assert bunbase(*FACTOR, "status", "--json").document["recovery_codes_left"] == 2


def test_at_a_terminal_the_command_asks_for_the_first_code_until_it_is_right(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["000000", FIRST_CODE])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("bunbase.cli.own_account.ask", lambda *_: next(typed))

    said = bunbase(*FACTOR, "on")

    assert (said.code, signed_in.has_app) == (0, True)
    assert "otpauth://totp/" in said.out
    assert "code-1\ncode-2\n" in said.out


def test_a_terminal_shows_the_secret_as_a_qr_code_of_24_lines_at_most() -> None:
    lines = qr_lines(f"otpauth://totp/BunBase:{EMAIL}?secret={'A' * 32}&issuer=BunBase")

    assert len(lines) <= 24
    assert set("".join(lines)) <= set("█▀▄ ")


def test_the_applications_that_were_allowed_are_listed_and_ended(signed_in: FakeApi, bunbase: Bunbase) -> None:
    signed_in.authorizations = [Authorization("oau_1", "oac_1", "Shop", False, ("openid", "email"), NOW, NOW)]

    listed = bunbase("account", "authorizations", "list").out
    ended = bunbase("account", "authorizations", "end", "oau_1")

    assert "Shop" in listed
    assert "openid email" in listed
    assert (ended.code, signed_in.authorizations) == (0, [])


def test_recovery_codes_are_replaced_and_the_second_factor_turned_off(signed_in: FakeApi, bunbase: Bunbase) -> None:
    signed_in.has_app = True

    assert bunbase(*FACTOR, "recovery-codes").out.endswith("code-3\ncode-4\n")
    assert bunbase(*FACTOR, "off").code == 0

    assert not signed_in.has_app


def test_the_new_password_comes_from_stdin_or_is_typed_twice(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["typed horse", "typed horse", "typed horse", "another"])
    piped = executable("account", "password", "--password-stdin", input="piped horse\n")
    monkeypatch.setattr("bunbase.cli.own_account.ask_secret", lambda *_: next(typed))

    assert (piped.code, bunbase("account", "password").code, bunbase("account", "password").code) == (0, 0, 2)

    assert signed_in.changes == [{"password": "piped horse"}, {"password": "typed horse"}]


def test_address_and_profile_are_changed_and_values_that_are_not_given_stay(
    signed_in: FakeApi, bunbase: Bunbase
) -> None:
    bunbase("account", "email", "new@example.com")
    bunbase("account", "update", "--name", "Ada L.")
    bunbase("account", "update", "--avatar-url", "")

    assert signed_in.changes == [{"email": "new@example.com"}, {"name": "Ada L."}, {"avatar_url": ""}]
    assert bunbase("account", "update").code == 2


def test_an_account_is_deleted_only_with_its_address_as_confirmation(signed_in: FakeApi, bunbase: Bunbase) -> None:
    refused = [bunbase("account", "delete", *words).code for words in ((), ("--confirm", "eve@example.com"))]
    assert (refused, signed_in.deleted_account) == ([2, 2], False)

    assert bunbase("account", "delete", "--yes").code == 0

    assert signed_in.deleted_account
    assert signed_in.url not in kept().servers
