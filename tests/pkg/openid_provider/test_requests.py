from __future__ import annotations

import base64
import json

import pytest

from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.openid_provider.requests import RefusedRequest, read_request

KNOWN = ("openid", "profile", "email", "offline_access")
GOOD = {
    "response_type": "code",
    "scope": "email unknown openid",
    "code_challenge": challenge_of("a verifier"),
    "code_challenge_method": "S256",
}


def hint(subject: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).rstrip(b"=").decode()
    return f"e30.{part}.x"


def test_a_request_keeps_the_scopes_that_are_known_in_their_order() -> None:
    read = read_request({**GOOD, "prompt": "login consent", "max_age": "0", "state": "é"}, KNOWN)

    assert (read.scopes, read.prompts, read.max_age, read.state) == (("openid", "email"), ("consent", "login"), 0, "é")
    assert not read.silent


@pytest.mark.parametrize(
    ("sent", "subject"),
    [
        ("", ""),
        (hint("usr_ada"), "usr_ada"),
        (hint("usr\0ada"), "?"),
        (hint(7), "?"),
        (hint("x" * 256), "?"),
        ("no token", "?"),
    ],
    ids=["none", "a person", "control character", "number", "long", "no token"],
)
def test_a_hint_that_cannot_be_read_is_the_hint_of_nobody(sent: str, subject: str) -> None:
    assert read_request({**GOOD, "id_token_hint": sent}, KNOWN).hinted_subject == subject


@pytest.mark.parametrize("name", ["state", "nonce", "login_hint"])
def test_long_texts_and_control_characters_are_refused(name: str) -> None:
    for text in ("x" * 5000, "a\0b", "a\r\nb"):
        with pytest.raises(RefusedRequest):
            read_request({**GOOD, name: text}, KNOWN)
