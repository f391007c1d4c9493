"""Read authorization requests (OpenID Connect Core 1.0 §3.1.2.1, RFC 7636).

Check the client and its redirect URI first, because every error of these functions is sent to that URI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from bunbase.pkg.jwt import unverified_claims

OPENID: Final = "openid"
OFFLINE: Final = "offline_access"
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
MAX_AGE: Final = re.compile(r"[0-9]{1,9}")
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
MAX_SUBJECT: Final = 255
UNKNOWN: Final = "?"  # A hint that cannot be read has this subject. No person has this id.
LONGEST: Final = {"state": 2048, "nonce": 512, "login_hint": 254, "id_token_hint": 8192}


class RefusedRequest(Exception):
    """The request is refused. `error`: a code of RFC 6749 §4.1.2.1 or of OpenID Connect Core §3.1.2.6."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """`scopes`: the scopes that the server knows, in its order. `prompts`: the questions that the page must ask in
    every case.

    `max_age`: the person must have signed in within this number of seconds; None means at any time. `hinted_subject`:
    the person whom an id_token of the client names; its signature is not checked, because the only effect of a hint can
    be one more page.
    """

    scopes: tuple[str, ...]
    code_challenge: str
    state: str = ""
    nonce: str = ""
    prompts: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str = ""
    hinted_subject: str = ""

    @property
    def silent(self) -> bool:
        """True if the client wants an answer without a page."""
        return "none" in self.prompts


def read_request(sent: Mapping[str, str], known_scopes: tuple[str, ...]) -> AuthorizationRequest:
    """Return a valid request. Scopes that the server does not know are ignored. Raises: RefusedRequest."""
    _check_unsupported(sent)
    for name, longest in LONGEST.items():
        if len(sent.get(name, "")) > longest or not sent.get(name, "").isprintable():
            raise RefusedRequest("invalid_request", f"{name} has at most {longest} printable characters.")
    return AuthorizationRequest(
        _scopes(sent.get("scope", ""), known_scopes),
        _challenge(sent),
        sent.get("state", ""),
        sent.get("nonce", ""),
        _prompts(sent.get("prompt", "")),
        _max_age(sent.get("max_age", "")),
        sent.get("login_hint", ""),
        _hinted_subject(sent.get("id_token_hint", "")),
    )


def _check_unsupported(sent: Mapping[str, str]) -> None:
    if sent.get("request"):
        raise RefusedRequest("request_not_supported", "Send plain parameters, not a request object.")
    if sent.get("request_uri"):
        raise RefusedRequest("request_uri_not_supported", "Send plain parameters, not a request_uri.")
    if sent.get("response_type", "") != "code":
        raise RefusedRequest("unsupported_response_type", "Send response_type=code.")
    if sent.get("response_mode", "query") != "query":
        raise RefusedRequest("invalid_request", "Only response_mode=query is supported.")


def _scopes(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    asked = set(text.split(" "))
    if OPENID not in asked:
        raise RefusedRequest("invalid_scope", "The scope must contain openid.")
    return tuple(scope for scope in known if scope in asked)


def _challenge(sent: Mapping[str, str]) -> str:
    challenge = sent.get("code_challenge", "")
    if not CHALLENGE.fullmatch(challenge) or sent.get("code_challenge_method", "") != "S256":
        raise RefusedRequest("invalid_request", "Every client must send a PKCE challenge with the method S256.")
    return challenge


def _prompts(text: str) -> tuple[str, ...]:
    prompts = tuple(sorted(set(text.split())))
    if not PROMPTS.issuperset(prompts) or ("none" in prompts and len(prompts) > 1):
        raise RefusedRequest("invalid_request", "prompt is none, or any of login, consent and select_account.")
    return prompts


def _hinted_subject(id_token: str) -> str:
    if not id_token:
        return ""
    subject = unverified_claims(id_token).get("sub")
    if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= MAX_SUBJECT:
        return UNKNOWN
    return subject


def _max_age(text: str) -> int | None:
    if not text:
        return None
    if not MAX_AGE.fullmatch(text):
        raise RefusedRequest("invalid_request", "max_age is a number of seconds.")
    return int(text)
