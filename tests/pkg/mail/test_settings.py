from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.mail.settings import MailSettings, check_mail

SENDER = "BunBase <bunbase@example.com>"
SIGNED_IN = {"username": "bunbase", "password": "secret"}


def settings(**chosen: Any) -> MailSettings:
    return msgspec.convert({"host": "smtp.example.com", "sender": SENDER, **chosen}, MailSettings)


@pytest.mark.parametrize(
    ("chosen", "server"),
    [
        ({}, "smtp.example.com:587"),
        ({"security": "tls", **SIGNED_IN}, "smtp.example.com:465"),
        ({"security": "none"}, "smtp.example.com:25"),
        ({"security": "none", "host": "127.0.0.1", **SIGNED_IN}, "127.0.0.1:25"),
        ({"security": "none", "host": "localhost", "port": 1025, **SIGNED_IN}, "localhost:1025"),
        ({"sender": "bunbase@example.com"}, "smtp.example.com:587"),
        ({"sender": '"Bakery, Ltd." <mail@bakery.example>'}, "smtp.example.com:587"),
    ],
)
def test_settings_that_can_work_are_accepted(chosen: dict[str, Any], server: str) -> None:
    check_mail(settings(**chosen))

    assert settings(**chosen).server == server


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ({"sender": ""}, r"mail\.sender is not"),
        ({"sender": "BunBase"}, r"mail\.sender must look like this"),
        ({"sender": "BunBase <bunbase@example.com>\r\nBcc: eve@example.com"}, r"mail\.sender must look like this"),
        ({"sender": "a@example.com, b@example.com"}, r"mail\.sender must look like this"),
        ({"sender": "BunBase <büro@example.com>"}, r"mail\.sender must look like this"),
        ({"username": "bunbase"}, "set both or neither"),
        ({"password": "secret"}, "set both or neither"),
        ({"security": "none", **SIGNED_IN}, "would send the password"),
        ({"security": "none", "host": "127.0.0.1.example.com", **SIGNED_IN}, "would send the password"),
        ({"host": "https://smtp.example.com"}, r"mail\.host must be a host name"),
        ({"host": "smtp.example.com\n"}, r"mail\.host must be a host name"),
        ({"ca_file": "/nowhere/ca.pem"}, r"mail\.ca_file: /nowhere/ca\.pem holds no certificates"),
        ({"ca_file": __file__}, "holds no certificates"),
        ({"host": ""}, r"mail\.host is not"),
        ({"host": "", "sender": "", "username": "bunbase"}, r"mail\.username is set, but mail\.host is not"),
    ],
)
def test_a_start_with_settings_that_cannot_work_is_refused(chosen: dict[str, Any], why: str) -> None:
    with pytest.raises(CannotStart, match=why) as refused:
        check_mail(settings(**chosen))
    assert "secret" not in str(refused.value)


def test_no_settings_are_accepted_too() -> None:
    check_mail(MailSettings())

    assert not MailSettings().configured
