"""Tokens of users, checked offline by the keys of their project."""

from __future__ import annotations

import base64
import hmac
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from bunbase_sdk import Client, Denied, Problem, ServiceAccount
from bunbase_sdk.core import verify
from tests.rsa_keys import private_key

PROJECT = "prj_1"
Keys = list[Any]


class Clock:
    """The clock of the module that verifies."""

    def __init__(self) -> None:
        self.passed = 0.0

    def time(self) -> float:
        return time.time() + self.passed

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


class Issuer:
    """A project with keys. `fetched` is the number of requests for the keys."""

    def __init__(self) -> None:
        self.keys: Keys = []
        self.fetched = 0
        self.away = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.params["project"] == PROJECT
        self.fetched += 1
        if self.away:
            return httpx.Response(500, json={"code": "internal", "status": 500})
        return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})

    def token(self, key: Any, algorithm: str, head: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        body = {"sub": "usr_1", "aud": PROJECT, "type": "user", "iss": "me", "iat": now, "exp": now + 900, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": key.kid, **(head or {})}, body, key, algorithms=[algorithm])


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(verify, "time", clock)
    return clock


@pytest.fixture
def checked(issuer: Issuer) -> Any:
    with httpx.Client(transport=httpx.MockTransport(issuer.answer)) as http:
        yield Client("http://bunbase.test", "sk_1", project=PROJECT, http=http).auth.verify


def named(kind: Any, name: str, curve: str) -> Any:
    return kind.generate_key(curve, {"kid": name}, private=True)


RSA = RSAKey.import_key(private_key(0), {"kid": "rsa"})
EC, OKP = named(ECKey, "ec", "P-256"), named(OKPKey, "okp", "Ed25519")


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (OKP, "EdDSA")])
def test_a_token_is_accepted_with_each_algorithm(issuer: Issuer, checked: Any, key: Any, algorithm: str) -> None:
    issuer.keys = [RSA, EC, OKP]

    assert checked(issuer.token(key, algorithm))["sub"] == "usr_1"
    assert checked(issuer.token(key, algorithm, role="editor"))["role"] == "editor"
    assert issuer.fetched == 1


def test_the_keys_are_fetched_again_after_an_hour_and_rotated_keys_are_found(
    issuer: Issuer, checked: Any, clock: Clock
) -> None:
    issuer.keys = [RSA]
    checked(issuer.token(RSA, "RS256"))
    issuer.keys = [EC]
    clock.passed = 61
    far = int(time.time()) + 10_000

    assert checked(issuer.token(EC, "ES256", exp=far))
    with pytest.raises(Denied):
        checked(issuer.token(RSA, "RS256", exp=far))
    clock.passed = 3700
    assert checked(issuer.token(EC, "ES256", exp=far))
    assert issuer.fetched == 3


def test_a_flood_of_unknown_keys_asks_once_a_minute(issuer: Issuer, checked: Any, clock: Clock) -> None:
    issuer.keys = [RSA]
    checked(issuer.token(RSA, "RS256"))

    for minute in range(3):
        for number in range(50):
            with pytest.raises(Denied):
                checked(issuer.token(RSA, "RS256", {"kid": f"unknown{number}"}))
        assert issuer.fetched == 1 + minute
        clock.passed += 61


def test_a_server_that_is_away_is_no_reason_to_refuse_tokens_or_to_ask_it_for_each(
    issuer: Issuer, checked: Any, clock: Clock
) -> None:
    issuer.keys, issuer.away = [RSA], True
    with pytest.raises(Problem) as away:
        checked(issuer.token(RSA, "RS256"))
    assert away.value.status == 500

    issuer.away = False
    assert checked(issuer.token(RSA, "RS256"))
    issuer.away, clock.passed = True, 61
    for _ in range(20):
        with pytest.raises(Problem):
            checked(issuer.token(RSA, "RS256", {"kid": "unknown"}))
        assert checked(issuer.token(RSA, "RS256", exp=int(time.time()) + 9000))
    assert issuer.fetched == 3


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "prj_2"}, "invalid_token"),
        ({"aud": [PROJECT]}, "invalid_token"),
        ({"aud": None}, "invalid_token"),
        ({"type": "service"}, "invalid_token"),
        ({"type": None}, "invalid_token"),
        ({"exp": int(time.time()) - 120}, "token_expired"),
        ({"exp": None}, "invalid_token"),
        ({"exp": "never"}, "invalid_token"),
        ({"exp": True}, "invalid_token"),
        ({"iat": int(time.time()) + 600}, "invalid_token"),
        ({"nbf": int(time.time()) + 600}, "invalid_token"),
    ],
)
def test_a_token_for_something_else_or_another_time_is_refused(
    issuer: Issuer, checked: Any, claims: dict[str, Any], code: str
) -> None:
    issuer.keys = [RSA]

    with pytest.raises(Denied) as refused:
        checked(issuer.token(RSA, "RS256", **claims))
    assert (refused.value.code, refused.value.status) == (code, 401)


def test_clocks_may_differ_by_a_minute(issuer: Issuer, checked: Any) -> None:
    issuer.keys = [RSA]
    now = int(time.time())

    assert checked(issuer.token(RSA, "RS256", exp=now - 30, iat=now - 900))
    assert checked(issuer.token(RSA, "RS256", iat=now + 30))


def test_a_service_token_is_accepted_only_if_asked_for(issuer: Issuer, checked: Any) -> None:
    issuer.keys = [RSA]

    with pytest.raises(Denied, match="allow_service=True"):
        checked(issuer.token(RSA, "RS256", type="service"))
    assert checked(issuer.token(RSA, "RS256", type="service"), allow_service=True)["type"] == "service"


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def without_signature(token: str) -> str:
    return f"{part({'alg': 'none', 'kid': 'rsa'})}.{token.split('.')[1]}."


def with_public_key_as_secret(token: str) -> str:
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{token.split('.')[1]}"
    signature = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def with_other_claims(token: str) -> str:
    head, _, signature = token.split(".")
    claims = {"sub": "usr_admin", "aud": PROJECT, "type": "user", "exp": int(time.time()) + 900}
    return f"{head}.{part(claims)}.{signature}"


def with_other_head(**members: Any) -> Callable[[str], str]:
    def forged(token: str) -> str:
        return ".".join([part({"alg": "RS256", "kid": "rsa", **members}), *token.split(".")[1:]])

    return forged


@pytest.mark.parametrize(
    "forge",
    [
        without_signature,
        with_public_key_as_secret,
        with_other_claims,
        with_other_head(alg="ES256"),
        with_other_head(alg="EdDSA"),
        with_other_head(alg="PS256"),
        with_other_head(crit=["b64"], b64=False),
        with_other_head(jwk={"kty": "oct", "k": "AA"}),
        with_other_head(kid="ec"),
        with_other_head(kid=None),
        with_other_head(kid=["rsa"]),
        lambda token: token[:-4] + "AAAA",
        lambda token: token + ".",
        lambda token: token.rpartition(".")[0],
        lambda token: token + "!",
        lambda token: "",
        lambda token: None,
        lambda token: "a.b.c",
        lambda token: "A" * 20_000,
        lambda token: part([1]) + "." + part([1]) + ".AA",
    ],
)
def test_a_forged_token_is_refused(issuer: Issuer, checked: Any, forge: Callable[[str], str]) -> None:
    issuer.keys = [RSA, EC]

    with pytest.raises(Denied) as refused:
        checked(forge(issuer.token(RSA, "RS256")))
    assert refused.value.code == "invalid_token"


def test_keys_of_other_kinds_are_ignored(issuer: Issuer, checked: Any) -> None:
    issuer.keys = [OctKey.generate_key(256, {"kid": "oct"}), named(ECKey, "big", "P-384"), named(OKPKey, "x", "X25519")]

    for kid in ("oct", "big", "x"):
        with pytest.raises(Denied):
            checked(issuer.token(RSA, "RS256", {"kid": kid}))


def test_the_project_must_be_known() -> None:
    with Client("http://bunbase.test", "sk_1") as client, pytest.raises(Problem, match="Pass the id of the project"):
        client.auth.verify("token")


def test_a_slug_is_refused_by_name_before_anything_is_sent(issuer: Issuer, checked: Any) -> None:
    with pytest.raises(Problem, match="shop is a slug"):
        checked("token", project="shop")
    assert issuer.fetched == 0


def test_without_the_extra_a_call_names_it_and_the_rest_works(
    issuer: Issuer, checked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token(RSA, "RS256")
    for name in [name for name in sys.modules if name.partition(".")[0] == "joserfc"]:
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(Problem, match=r"Install bunbase-sdk\[jwt\]"):
        checked(token)
    with pytest.raises(Problem, match=r"Install bunbase-sdk\[jwt\]"):
        ServiceAccount("sa_1", private_key="-----BEGIN PRIVATE KEY-----").proof("http://bunbase.test")
