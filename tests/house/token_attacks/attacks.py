"""The table of attacks. Each entry makes tokens for one issuer, all of which its verifiers must refuse.

FORGED has tokens that everybody can make. SIGNED has tokens that the issuer's own key signs. A verifier must refuse
these tokens too, because a key may sign several kinds of tokens, and an issuer may be hostile, such as a client that
signs an assertion.
"""

from __future__ import annotations

import functools
import json
import string
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.house.token_attacks.signing import (
    Issuer,
    PrivateKey,
    decoded,
    encoded,
    signed,
    signed_with_secret,
)

Attack = Callable[[Issuer], Iterator[str]]
LONG_AGO, FAR_AHEAD = 1_000_000_000, 32_503_680_000  # These Unix seconds are in the years 2001 and 3000.
NO_DATES: tuple[Any, ...] = (None, True, "9999999999", [FAR_AHEAD], {}, 10**400, 2**60)
NO_JSON_DATES = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1" * 5000)
URL = "https://attacker.example/keys"
NAMES_OF_KEYS: tuple[Any, ...] = (
    "another",
    "",
    "../../../../dev/null",
    "/proc/self/environ",
    URL,
    "x' UNION SELECT 'c2VjcmV0' --",
    "k\0",
    None,
    7,
    ["k"],
    {},
)
DEEP = b"[" * 2500 + b"]" * 2500
ORDER = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@functools.cache
def attackers_key(kind: type) -> PrivateKey:
    if issubclass(kind, rsa.RSAPrivateKey):
        return rsa.generate_private_key(65537, 2048)
    if issubclass(kind, ec.EllipticCurvePrivateKey):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def own(issuer: Issuer, header: dict[str, Any], payload: bytes | None = None) -> str:
    """Return a token that the attacker signs with a key of the same kind."""
    payload = json.dumps(issuer.claims()).encode() if payload is None else payload
    return signed(issuer.header | header, payload, attackers_key(type(issuer.key)))


def parts(issuer: Issuer) -> tuple[str, str, str]:
    header, payload, signature = issuer.token().split(".")
    return header, payload, signature


def alg_none(issuer: Issuer) -> Iterator[str]:
    _, payload, signature = parts(issuer)
    for name in ("none", "None", "NONE", "nOnE", "", None, 0, ["none"]):
        header = encoded(json.dumps(issuer.header | {"alg": name}).encode())
        yield f"{header}.{payload}."
        yield f"{header}.{payload}.{signature}"
    yield f"{encoded(b'{}')}.{payload}.{signature}"


def public_key_as_secret(issuer: Issuer) -> Iterator[str]:
    payload = json.dumps(issuer.claims()).encode()
    for secret in (b"", b"secret", *issuer.public_forms()):
        for name in ("HS256", "HS384", "HS512"):
            yield signed_with_secret(issuer.header | {"alg": name}, payload, secret)


def other_algorithm_over_the_old_signature(issuer: Issuer) -> Iterator[str]:
    _, payload, signature = parts(issuer)
    for name in {"RS256", "RS512", "PS256", "ES256", "Ed25519", "EdDSA", "HS256", "dir"} - {issuer.algorithm}:
        yield f"{encoded(json.dumps(issuer.header | {'alg': name}).encode())}.{payload}.{signature}"


def another_key_under_the_same_name(issuer: Issuer) -> Iterator[str]:
    yield own(issuer, {})


def another_key_under_another_name(issuer: Issuer) -> Iterator[str]:
    for kid in NAMES_OF_KEYS:
        yield own(issuer, {"kid": kid})
    payload = json.dumps(issuer.claims()).encode()
    yield signed({"alg": issuer.algorithm}, payload, attackers_key(type(issuer.key)))


def key_in_the_header(issuer: Issuer) -> Iterator[str]:
    key = attackers_key(type(issuer.key)).public_key()
    jwk: dict[str, Any] = {"kty": "RSA", "kid": "mine", "use": "sig"}
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        jwk |= {"n": encoded(numbers.n.to_bytes(256)), "e": "AQAB"}
    for kid in (issuer.kid, "mine"):
        for more in ({"jwk": jwk}, {"jku": URL}, {"x5u": URL}, {"x5c": ["AAAA"]}, {"x5t": "AAAA"}):
            yield own(issuer, {"kid": kid} | more)


def changed_content(issuer: Issuer) -> Iterator[str]:
    header, payload, signature = parts(issuer)
    claims = json.loads(decoded(payload)) | {"sub": "usr_else", "role": "admin"}
    yield f"{header}.{encoded(json.dumps(claims).encode())}.{signature}"
    yield f"{encoded(json.dumps(issuer.header | {'typ': 'other'}).encode())}.{payload}.{signature}"


def changed_signature(issuer: Issuer) -> Iterator[str]:
    header, payload, signature = parts(issuer)
    wrong = [signature[:-1], signature[:-8], signature[: len(signature) // 2], "", "A", "AAAA", signature + "A"]
    wrong += [signature * 2, ("B" if signature[0] == "A" else "A") + signature[1:], encoded(bytes(256))]
    for other in wrong:
        yield f"{header}.{payload}.{other}"


def other_base64(issuer: Issuer) -> Iterator[str]:
    """Yield other spellings of a token.

    The last character of a part has bits that carry nothing, and so do padding and white space.
    """
    whole = parts(issuer)
    for place, part in enumerate(whole):
        others = [part + "=", part + "==", part[:5] + "\n" + part[5:], " " + part, part + " ", part + "!", "%41" + part]
        if len(part) % 4:
            others.append(part[:-1] + ORDER[ORDER.index(part[-1]) + 1])
        for other in others:
            yield ".".join([*whole[:place], other, *whole[place + 1 :]])


def other_number_of_parts(issuer: Issuer) -> Iterator[str]:
    token = issuer.token()
    header, payload, signature = token.split(".")
    yield from ("", ".", "..", "...", "." * 5000, header, f"{header}.{payload}", f"{header}..{signature}")
    yield from (f"{token}.", f".{token}", f"{token}.{signature}", f"{token}...", f"{token} {token}", f"{token},{token}")


def no_token(issuer: Issuer) -> Iterator[str]:
    yield from ("null", "é.é.é", "é.é.\0", "x" * 2000, json.dumps({"payload": "", "signatures": []}))


def oversized(issuer: Issuer) -> Iterator[str]:
    token = issuer.token()
    yield token + "A" * 100_000
    yield "A" * 100_000 + token
    yield issuer.token(text="x" * 40_000)


def odd_header(issuer: Issuer) -> Iterator[str]:
    _, payload, signature = parts(issuer)
    for header in (b"", b"[]", b'["alg"]', b'"alg"', b"7", b"null", b"{", b"\xff", b'{"alg":', DEEP):
        yield f"{encoded(header)}.{payload}.{signature}"
    twice = b'{"alg": "none", ' + json.dumps(issuer.header).encode()[1:]
    yield f"{encoded(twice)}.{payload}."


def other_algorithm(issuer: Issuer) -> Iterator[str]:
    others = {rsa.RSAPrivateKey: ("RS384", "RS512", "PS256", "PS512"), ec.EllipticCurvePrivateKey: ("ES384", "ES256K")}
    for kind, names in others.items():
        if isinstance(issuer.key, kind):
            yield from (issuer.token({"alg": name}) for name in names)


def no_name_of_the_key(issuer: Issuer) -> Iterator[str]:
    payload = json.dumps(issuer.claims()).encode()
    yield signed({"alg": issuer.algorithm}, payload, issuer.key)


def name_of_the_key_that_is_no_text(issuer: Issuer) -> Iterator[str]:
    names: tuple[Any, ...] = (None, 7, ["k"], {}, True)
    yield from (issuer.token({"kid": kid}) for kid in names)


def critical_extension(issuer: Issuer) -> Iterator[str]:
    values: tuple[Any, ...] = (["exp"], [], ["b64"], ["kid"], ["x"], 5, None, True, [[1]], [{}], {}, "kid")
    for crit in values:
        yield issuer.token({"crit": crit, "x": 1})
        yield issuer.token({"crit": crit})


def payload_without_base64(issuer: Issuer) -> Iterator[str]:
    """Yield a token of RFC 7797, whose payload is signed without base64."""
    for more in ({"b64": False}, {"b64": False, "crit": ["b64"]}, {"b64": True}):
        yield issuer.token(more)
        head, payload = encoded(json.dumps(issuer.header | more).encode()), json.dumps(issuer.claims())
        unencoded = f"{head}.{payload}"
        yield f"{unencoded}.{signed(issuer.header, payload.encode(), issuer.key).rpartition('.')[2]}"


def claims_that_are_no_object(issuer: Issuer) -> Iterator[str]:
    whole = json.dumps(issuer.claims()).encode()
    texts = (b"", b"[]", b"[" + whole + b"]", b'"x"', b"7", b"null", b"true", b"{", b"\xff" + whole, whole[:-1], DEEP)
    yield from (
        issuer.of_text(text) for text in (*texts, whole + b"{}", whole + b"\0", whole.decode().encode("utf-16"))
    )


def nested(issuer: Issuer) -> Iterator[str]:
    whole = json.dumps(issuer.claims()).encode()
    yield issuer.of_text(whole[:-1] + b', "deep": ' + DEEP + b"}")


def claim_twice(issuer: Issuer) -> Iterator[str]:
    whole = json.dumps(issuer.claims()).encode()
    yield issuer.of_text(b'{"x": 1, "x": 2, ' + whole[1:])
    for name in issuer.claims():
        for value in (b'"other"', b"1"):
            yield issuer.of_text(b'{"' + name.encode() + b'": ' + value + b", " + whole[1:])
    yield issuer.of_text(whole[:-1] + b', "deep": [{"x": 1, "x": 2}]}')


def expired(issuer: Issuer) -> Iterator[str]:
    yield from (issuer.token(exp=when) for when in (LONG_AGO, 0, -1, -FAR_AHEAD, 0.5))


def expiry_that_is_no_number(issuer: Issuer) -> Iterator[str]:
    yield from (issuer.token(exp=when) for when in NO_DATES)
    yield from _replaced(issuer, "exp")
    claims = issuer.claims()
    claims.pop("exp")
    yield issuer.of_text(json.dumps(claims).encode())


def beginning_that_is_no_number(issuer: Issuer) -> Iterator[str]:
    for name in ("nbf", "iat"):
        yield from (issuer.token(None, **{name: when}) for when in NO_DATES if when is not None)
        yield from _replaced(issuer, name)


def beginning_in_the_future(issuer: Issuer) -> Iterator[str]:
    yield issuer.token(nbf=FAR_AHEAD)


def issued_in_the_future(issuer: Issuer) -> Iterator[str]:
    yield issuer.token(iat=FAR_AHEAD)


def other_issuer(issuer: Issuer) -> Iterator[str]:
    yield from _changed(issuer, "iss", ("https://attacker.example", "", None, ["http://127.0.0.1:7070"], 7, {}))


def other_audience(issuer: Issuer) -> Iterator[str]:
    own_audience = issuer.claims()["aud"]
    others: tuple[Any, ...] = (
        "attacker",
        "",
        None,
        7,
        {},
        [],
        [[own_audience]],
        {own_audience: 1},
        f"{own_audience} ",
        [{}],
    )
    yield from _changed(issuer, "aud", others)


def other_type(issuer: Issuer) -> Iterator[str]:
    for wrong in {"access", "user", "service", "custom", "id", "refresh", ""} - {issuer.claims().get("type")}:
        yield issuer.token(type=wrong)
    yield from _changed(issuer, "type", (None, 7, ["access", "user", "service", "custom"], {}, True))


def odd_subject(issuer: Issuer) -> Iterator[str]:
    yield from _changed(issuer, "sub", (None, 7, True, [], {}, ["usr_ada"]))


def subject_that_is_nobody(issuer: Issuer) -> Iterator[str]:
    yield from (issuer.token(sub=subject) for subject in ("", "nobody"))


def subject_that_postgresql_cannot_store(issuer: Issuer) -> Iterator[str]:
    yield from (issuer.token(sub=subject) for subject in ("a\0b", "\ud800"))


def _changed(issuer: Issuer, name: str, values: tuple[Any, ...]) -> Iterator[str]:
    yield from (issuer.token(None, **{name: value}) for value in values)
    claims = issuer.claims()
    claims.pop(name, None)
    yield issuer.of_text(json.dumps(claims).encode())


def _replaced(issuer: Issuer, name: str) -> Iterator[str]:
    """Yield tokens with a number that JSON does not have, or that no float can hold."""
    whole = json.dumps(issuer.claims() | {name: "HERE"}).encode()
    yield from (issuer.of_text(whole.replace(b'"HERE"', text)) for text in NO_JSON_DATES)


FORGED: tuple[Attack, ...] = (
    alg_none,
    public_key_as_secret,
    other_algorithm_over_the_old_signature,
    another_key_under_the_same_name,
    another_key_under_another_name,
    key_in_the_header,
    changed_content,
    changed_signature,
    other_base64,
    other_number_of_parts,
    no_token,
    oversized,
    odd_header,
)
SIGNED: tuple[Attack, ...] = (
    other_algorithm,
    no_name_of_the_key,
    name_of_the_key_that_is_no_text,
    critical_extension,
    payload_without_base64,
    claims_that_are_no_object,
    nested,
    claim_twice,
    expired,
    expiry_that_is_no_number,
    beginning_that_is_no_number,
    beginning_in_the_future,
    issued_in_the_future,
    other_issuer,
    other_audience,
    other_type,
    odd_subject,
    subject_that_is_nobody,
    subject_that_postgresql_cannot_store,
)
ATTACKS = {attack.__name__: attack for attack in (*FORGED, *SIGNED)}
