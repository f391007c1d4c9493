"""Project Wycheproof: vectors of signatures, of JWS and of AEAD, against the code that checks tokens and passkeys.

No message of the suite is a JWT, so the vectors of bare signatures check the layer below `verified` and `checked`, with
the libraries and the options that BunBase uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, encode_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.verify_signature import verify_signature

from bunbase.bunkms.envelope import decrypt, encrypt
from bunbase.contracts.bunkms import DecryptionFailed
from bunbase.pkg.client_assertions import BadAssertion, UnsuitableKey, check_assertion, public_jwk
from bunbase.pkg.jwt import BadToken, Verifier, verified
from bunbase.pkg.oidc.id_tokens import ALGORITHMS
from bunbase.pkg.oidc.provider_keys import ProviderKeys
from tests.outside.tally import Tally

Group = dict[str, Any]
KINDS: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
KNOWN = {
    "rejectsKeyWithRocaVulnerability": "a key with a factorable modulus (ROCA) is not recognised",
    "Figure20": "the key is for PS256 and the token for PS384: refused",
    "Figure27": "the key is for ES521, which does not exist: refused",
}
NOT_CLAIMS = ("Expecting value", "it is not an object", "codec can't decode", "exp is not")
RSA = {
    "rsa_signature_2048_sha256": "RS256",
    "rsa_signature_3072_sha256": "RS256",
    "rsa_signature_4096_sha256": "RS256",
    "rsa_signature_8192_sha256": "RS256",
    "rsa_signature_2048_sha384": "RS384",
    "rsa_signature_2048_sha512": "RS512",
    "rsa_pss_2048_sha256_mgf1_32": "PS256",
    "rsa_pss_2048_sha384_mgf1_48": "PS384",
    "rsa_pss_4096_sha512_mgf1_64": "PS512",
}
CURVES = {
    "ecdsa_secp256r1_sha256_p1363": "ES256",
    "ecdsa_secp384r1_sha384_p1363": "ES384",
    "ecdsa_secp521r1_sha512_p1363": "ES512",
    "ed25519": "EdDSA",
}


def run(suites: Path) -> list[Tally]:
    """Return the results of all vectors that BunBase's code can use.

    `suites`: the folder that contains `wycheproof`.
    """
    vectors = suites / "wycheproof" / "testvectors_v1"
    raw = [_raw(vectors, name, algorithm) for name, algorithm in {**RSA, **CURVES}.items()]
    return [_tokens(vectors), _assertions(vectors), *raw, _passkeys(vectors), _envelopes(vectors)]


def _tokens(vectors: Path) -> Tally:
    """Check every JWS of the suite, with the keys and algorithms of ID tokens."""
    tally = Tally("wycheproof JWS and JWK sets, for ID tokens")
    for file in ("json_web_signature", "json_web_key"):
        for group, test in _tests(vectors, file):
            try:
                keys = _public(group)
            except (JoseError, ValueError, TypeError, KeyError) as error:
                tally.check(test["result"] != "valid", f"{file} {test['tcId']}", f"key refused: {error}")
                continue
            if keys is None:
                tally.check(_refused(test["jws"], KeySet([])), f"{file} {test['tcId']} with symmetric keys")
                continue
            taken = not _refused(test["jws"], keys)
            names = f"{file} {test['tcId']} {test['comment']} {test['flags']}"
            if reason := KNOWN.get(test["comment"]):
                tally.known[reason] += 1
                continue
            tally.check(taken == (test["result"] == "valid"), names, "taken" if taken else "refused")
    return tally


def _public(group: Group) -> Any:
    """Return the public key or set of a group, None if the group has only symmetric keys."""
    found = group.get("public") or {}
    if "keys" in found:
        return ProviderKeys(found).key_of
    return KINDS[found["kty"]].import_key(found) if found.get("kty") in KINDS else None


def _refused(token: str, keys: Any) -> bool:
    """True if the signature, the key or the header is refused. The check of the payload's JSON comes later."""
    try:
        verified(token, keys, ALGORITHMS)
    except BadToken as error:
        return not any(part in str(error) for part in NOT_CLAIMS)
    return False


def _assertions(vectors: Path) -> Tally:
    """Check every JWS once more, as a client assertion with the group's key, and with the verifier of a public JWK."""
    tally = Tally("wycheproof JWS, for client assertions and Verifier")
    for group, test in _tests(vectors, "json_web_signature"):
        jwk = group.get("public")
        if not jwk or jwk.get("kty") not in ("RSA", "EC"):
            tally.skipped["the key is symmetric, and our verifiers take no such key"] += 1
            continue
        name = f"{test['tcId']} {test['comment']}"
        try:
            check_assertion(test["jws"], public_jwk(jwk), "client", "here", 0.0)
            tally.check(False, name, "taken")
        except (BadAssertion, UnsuitableKey):
            tally.check(True, name)
        kind = {"RSA": "RS256", "EC": "ES256"}[jwk["kty"]]
        try:
            Verifier([{**jwk, "kid": jwk.get("kid", "k"), "alg": kind}]).claims(test["jws"])
            tally.check(False, name, "taken")
        except BadToken:
            tally.check(True, name)
        except (JoseError, ValueError):
            tally.skipped["the key itself is refused"] += 1
    return tally


def _raw(vectors: Path, file: str, algorithm: str) -> Tally:
    """Check bare signatures with the class of joserfc that `verified` calls for this algorithm."""
    tally = Tally(f"wycheproof {file} as {algorithm}")
    model = jws.JWSRegistry.algorithms[algorithm]
    for group, test in _tests(vectors, file):
        der = bytes.fromhex(group["publicKeyDer"])
        try:
            native = load_der_public_key(der)
            key: Any = _key(algorithm).import_key(der)
        except Exception as error:
            tally.check(test["result"] == "invalid", f"{test['tcId']} key", error)
            continue
        if isinstance(native, EllipticCurvePublicKey) and native.curve.name != group["publicKey"]["curve"]:
            tally.skipped["another curve"] += 1
            continue
        try:
            right = model.verify(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]), key)
        except Exception as error:
            tally.check(test["result"] != "valid", f"{test['tcId']} {test['comment']}", repr(error))
            if not isinstance(error, JoseError | ValueError):
                tally.failed.append(f"{test['tcId']}: not an error that verified expects: {error!r}")
            continue
        _judge(tally, test, right)
    return tally


def _key(algorithm: str) -> type[RSAKey | ECKey | OKPKey]:
    return {"R": RSAKey, "P": RSAKey}.get(algorithm[0], OKPKey if algorithm == "EdDSA" else ECKey)


def _passkeys(vectors: Path) -> Tally:
    """Check signatures in DER, as authenticators make them, with the function that checks passkeys."""
    tally = Tally("wycheproof ecdsa_secp256r1_sha256, ed25519, rsa_signature_2048_sha256 for passkeys")
    for file in ("ecdsa_secp256r1_sha256", "ed25519", "rsa_signature_2048_sha256"):
        for group, test in _tests(vectors, file):
            try:
                key = decoded_public_key_to_cryptography(decode_credential_public_key(_cose(group["publicKey"])))
                verify_signature(
                    public_key=key,
                    signature_alg=_cose_algorithm(group["publicKey"]),
                    signature=bytes.fromhex(test["sig"]),
                    data=bytes.fromhex(test["msg"]),
                )
                right = True
            except Exception:
                right = False
            _judge(tally, test, right)
    return tally


def _cose_algorithm(key: dict[str, Any]) -> COSEAlgorithmIdentifier:
    kinds = {"EcPublicKey": COSEAlgorithmIdentifier.ECDSA_SHA_256, "EDDSAPublicKey": COSEAlgorithmIdentifier.EDDSA}
    return kinds.get(key.get("type", ""), COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256)


def _cose(key: dict[str, Any]) -> bytes:
    """Return a public key in the form of an authenticator (RFC 9053)."""
    if key.get("type") == "EcPublicKey":
        x, y = (int(key[name], 16).to_bytes(32, "big") for name in ("wx", "wy"))
        return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})
    if key.get("type") == "EDDSAPublicKey":
        return encode_cbor({1: 1, 3: -8, -1: 6, -2: bytes.fromhex(key["pk"])})
    n, e = (int(key[name], 16) for name in ("modulus", "publicExponent"))
    return encode_cbor({1: 3, 3: -257, -1: n.to_bytes(256, "big"), -2: e.to_bytes((e.bit_length() + 7) // 8, "big")})


def _envelopes(vectors: Path) -> Tally:
    """Check AES-256-GCM in the key service. Vectors with other sizes, or with bytes as context, are left out."""
    tally = Tally("wycheproof aes_gcm for envelopes")
    for group, test in _tests(vectors, "aes_gcm"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            tally.skipped["another size of key, nonce or tag: an envelope has only one"] += 1
            continue
        if test["aad"]:
            tally.skipped["an envelope is bound to words in a form of our own"] += 1
            continue
        key = bytes.fromhex(test["key"])
        sealed = bytes.fromhex(test["iv"] + test["ct"] + test["tag"])
        try:
            right = decrypt(key, sealed) == bytes.fromhex(test["msg"])
        except DecryptionFailed:
            right = False
        _judge(tally, test, right)
        again = decrypt(key, encrypt(key, bytes.fromhex(test["msg"]), "a"), "a")
        tally.check(again == bytes.fromhex(test["msg"]), f"{test['tcId']} there and back")
    return tally


def _judge(tally: Tally, test: dict[str, Any], right: bool) -> None:
    if test["result"] == "acceptable":
        tally.skipped["the suite allows both answers"] += 1
        return
    name = f"{test['tcId']} {test['comment']} {test['flags']}"
    tally.check(right == (test["result"] == "valid"), name, "taken" if right else "refused")


def _tests(vectors: Path, name: str) -> Iterator[tuple[Group, dict[str, Any]]]:
    for group in json.loads((vectors / f"{name}_test.json").read_text("utf-8"))["testGroups"]:
        for test in group["tests"]:
            yield group, test
