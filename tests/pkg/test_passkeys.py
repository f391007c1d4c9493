from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from webauthn.helpers import base64url_to_bytes, encode_cbor, parse_cbor

from bunbase.pkg.passkeys import (
    BadPasskey,
    CounterWentBack,
    NewPasskey,
    PasskeyUser,
    PublicPasskey,
    RelyingParty,
    challenge_in,
    checked,
    credential_id_in,
    new_challenge,
    registered,
    registration_options,
    relying_party,
    sign_in_options,
    user_handle,
    user_in,
)
from tests.authenticator import BACKED_UP, BACKUP_ELIGIBLE, KINDS, RS256, Authenticator, SigningPair, text

ORIGIN = "https://api.example.com"
PARTY = RelyingParty("api.example.com", "BunBase", (ORIGIN,))
USER = PasskeyUser("usr_1", "ada@example.com", "Ada")

Break = Callable[[Authenticator], None]


def made(authenticator: Authenticator) -> NewPasskey:
    challenge = new_challenge()
    return registered(PARTY, authenticator.create(registration_options(PARTY, USER, challenge, ())), challenge)


def stored(new: NewPasskey, sign_count: int | None = None) -> PublicPasskey:
    count = new.sign_count if sign_count is None else sign_count
    return PublicPasskey(new.credential_id, new.public_key, count, new.backup_eligible)


@pytest.mark.parametrize("kind", KINDS)
def test_a_passkey_of_each_algorithm_registers_and_signs_in(kind: str) -> None:
    authenticator = Authenticator(ORIGIN, KINDS[kind]())
    new, challenge = made(authenticator), new_challenge()

    credential = authenticator.get(sign_in_options(PARTY, challenge))

    assert checked(PARTY, credential, challenge_in(credential), stored(new)).sign_count == 1
    assert (challenge_in(credential), credential_id_in(credential)) == (challenge, authenticator.id)
    assert user_in(credential) == USER.id


def other_origin(one: Authenticator) -> None:
    one.origin = "https://api.example.com.evil.example"


def other_scheme(one: Authenticator) -> None:
    one.origin = "http://api.example.com"


def other_party(one: Authenticator) -> None:
    one.rp_id = "example.com"


def without_verification(one: Authenticator) -> None:
    one.verifies_user = False


BREAKS = (other_origin, other_scheme, other_party, without_verification)


@pytest.mark.parametrize("broken", BREAKS)
def test_a_registration_elsewhere_or_without_verification_of_the_user_is_refused(broken: Break) -> None:
    authenticator = Authenticator(ORIGIN)
    broken(authenticator)

    with pytest.raises(BadPasskey):
        made(authenticator)


def other_key(one: Authenticator) -> None:
    one.pair = KINDS["ES256"]()


@pytest.mark.parametrize("broken", [*BREAKS, other_key])
def test_a_sign_in_elsewhere_without_verification_or_with_another_key_is_refused(broken: Break) -> None:
    authenticator = Authenticator(ORIGIN)
    new, challenge = made(authenticator), new_challenge()
    broken(authenticator)

    with pytest.raises(BadPasskey):
        checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new))


def test_the_answer_to_another_challenge_or_of_another_ceremony_is_refused() -> None:
    authenticator = Authenticator(ORIGIN)
    new, challenge = made(authenticator), new_challenge()
    options = registration_options(PARTY, USER, challenge, ())

    with pytest.raises(BadPasskey):
        checked(PARTY, authenticator.get(sign_in_options(PARTY, new_challenge())), challenge, stored(new))
    with pytest.raises(BadPasskey):
        checked(PARTY, authenticator.create(options), challenge, stored(new))


@pytest.mark.parametrize(("before", "sent", "fine"), [(5, 6, True), (5, 5, False), (5, 1, False), (5, 0, False)])
def test_a_counter_that_does_not_grow_is_noticed(before: int, sent: int, fine: bool) -> None:
    authenticator = Authenticator(ORIGIN)
    new, challenge = made(authenticator), new_challenge()
    authenticator.counter = sent - 1 if sent else -1
    credential = authenticator.get(sign_in_options(PARTY, challenge))

    if fine:
        assert checked(PARTY, credential, challenge, stored(new, before)).sign_count == sent
    else:
        with pytest.raises(CounterWentBack):
            checked(PARTY, credential, challenge, stored(new, before))


def test_a_wrong_signature_does_not_report_a_copied_passkey() -> None:
    authenticator = Authenticator(ORIGIN)
    new, challenge = made(authenticator), new_challenge()
    other_key(authenticator)

    with pytest.raises(BadPasskey) as refused:
        checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new, 50))

    assert not isinstance(refused.value, CounterWentBack)


def test_a_synced_passkey_that_never_counts_is_accepted() -> None:
    authenticator = Authenticator(ORIGIN, counts=0)
    new, challenge = made(authenticator), new_challenge()

    assert checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new)).sign_count == 0


@pytest.mark.parametrize(
    "client_data", [{"crossOrigin": True}, {"crossOrigin": "yes"}, {"topOrigin": "https://evil.example"}]
)
def test_a_passkey_that_a_frame_of_another_site_has_asked_for_is_refused(client_data: dict[str, Any]) -> None:
    framed = Authenticator(ORIGIN, client_data=client_data)
    authenticator = Authenticator(ORIGIN)
    new, challenge = made(authenticator), new_challenge()
    authenticator.client_data = client_data

    with pytest.raises(BadPasskey):
        made(framed)
    with pytest.raises(BadPasskey):
        checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new))


def test_a_browser_may_say_that_no_other_site_has_asked() -> None:
    authenticator = Authenticator(ORIGIN, client_data={"crossOrigin": False})
    new, challenge = made(authenticator), new_challenge()

    assert checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new)).sign_count == 1


def test_a_sign_in_tells_whether_the_passkey_is_synced_by_now() -> None:
    authenticator = Authenticator(ORIGIN, flags=BACKUP_ELIGIBLE)
    new, challenge = made(authenticator), new_challenge()
    authenticator.flags |= BACKED_UP

    used = checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new))

    assert (new.synced, used.synced) == (False, True)


@pytest.mark.parametrize(("registered_with", "signs_in_with"), [(0, BACKUP_ELIGIBLE), (BACKUP_ELIGIBLE, 0)])
def test_the_backup_eligibility_of_a_passkey_never_changes(registered_with: int, signs_in_with: int) -> None:
    """WebAuthn Level 3 §7.2 requires this.

    If BunBase did not store the flag when a passkey was registered, BunBase stores it at the next sign-in.
    """
    authenticator = Authenticator(ORIGIN, flags=registered_with)
    new, challenge = made(authenticator), new_challenge()
    known = stored(new)
    authenticator.flags = signs_in_with
    unknown = msgspec.structs.replace(known, backup_eligible=None)

    with pytest.raises(BadPasskey, match="backup eligibility"):
        checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, known)
    used = checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, unknown)

    assert new.backup_eligible is bool(registered_with)
    assert used.backup_eligible is bool(signs_in_with)


def test_a_passkey_that_cannot_be_backed_up_is_not_backed_up() -> None:
    """WebAuthn Level 3 §6.1.3 requires this."""
    authenticator = Authenticator(ORIGIN)
    new, challenge = made(authenticator), new_challenge()
    authenticator.flags = BACKED_UP

    with pytest.raises(BadPasskey):
        made(Authenticator(ORIGIN, flags=BACKED_UP))
    with pytest.raises(BadPasskey):
        checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new))


PLAIN = encode_cbor({"credProtect": 2})
# This is {"x": a decimal fraction}, and cbor2 computes the value of the fraction.
DECIMAL = b"\xa1\x61x\xc4\x82\x01\xc2\x42\xff\xff"
ENDLESS = b"\xbf\x61x\x01\xff"  # This is a map of unknown length.


@pytest.mark.parametrize(("extensions", "fine"), [(PLAIN, True), (DECIMAL, False), (ENDLESS, False)])
def test_extensions_of_an_authenticator_are_plain_cbor(extensions: bytes, fine: bool) -> None:
    """Before, a number of 200 kB in a decimal fraction kept the whole process busy for 12 seconds."""
    authenticator, challenge = Authenticator(ORIGIN), new_challenge()
    new = made(authenticator)
    for one in (authenticator, registering := Authenticator(ORIGIN)):
        one.extensions = extensions

    if fine:
        assert made(registering).credential_id == registering.id
        assert checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new)).sign_count
    else:
        with pytest.raises(BadPasskey):
            made(registering)
        with pytest.raises(BadPasskey):
            checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new))


def test_an_attestation_object_with_a_tag_is_refused() -> None:
    credential = Authenticator(ORIGIN).create(registration_options(PARTY, USER, challenge := new_challenge(), ()))
    made = parse_cbor(base64url_to_bytes(credential["response"]["attestationObject"]))
    credential["response"]["attestationObject"] = text(encode_cbor(made | {"more": Decimal("1.5")}))

    with pytest.raises(BadPasskey):
        registered(PARTY, credential, challenge)


@pytest.mark.parametrize(
    "attestation", [("packed", {"alg": -7, "sig": b"x", "x5c": [b"x"]}), ("of-tomorrow", {"a": 1})]
)
def test_an_attestation_that_nobody_has_asked_for_does_not_matter(attestation: tuple[str, dict[str, Any]]) -> None:
    authenticator = Authenticator(ORIGIN, attestation=attestation)

    assert made(authenticator).credential_id == authenticator.id


def rsa_pair(bits: int, exponent: int) -> SigningPair:
    """Return a key that signs nothing."""
    n = (1 << (bits - 1)) | 1
    cose = {1: 3, 3: RS256, -1: n.to_bytes(bits // 8), -2: exponent.to_bytes((exponent.bit_length() + 7) // 8)}
    return SigningPair(cose, lambda data: bytes(bits // 8))


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (16384, 65537), (3072, (1 << 3000) + 1), (2048, 1)])
def test_an_rsa_key_whose_checks_are_weak_or_expensive_is_refused(bits: int, exponent: int) -> None:
    pair = rsa_pair(bits, exponent)
    kept, challenge = Authenticator(ORIGIN, pair), new_challenge()

    with pytest.raises(BadPasskey):
        made(Authenticator(ORIGIN, pair))
    known = PublicPasskey(kept.id, encode_cbor(pair.cose), 0)
    with pytest.raises(BadPasskey, match="RSA key"):
        checked(PARTY, kept.get(sign_in_options(PARTY, challenge), user=""), challenge, known)


HOSTILE: tuple[Any, ...] = (
    {},
    {"response": None},
    {"response": []},
    {"rawId": 1, "response": {"clientDataJSON": 1}},
    {"rawId": "é", "response": {"clientDataJSON": text(b"[" * 100_000)}},
    {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": text(b"{}")}},
    {
        "id": "AA",
        "rawId": "AA",
        "type": "public-key",
        "response": {"clientDataJSON": text(b"{}"), "attestationObject": text(b"\xa1" * 10_000)},
    },
)


@pytest.mark.parametrize("credential", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_are_refused_and_nothing_else(credential: dict[str, Any]) -> None:
    with pytest.raises(BadPasskey):
        challenge_in(credential)
    with pytest.raises(BadPasskey):
        registered(PARTY, credential, b"x")
    with pytest.raises(BadPasskey):
        checked(PARTY, credential, b"x", PublicPasskey(b"x", b"x", 0))


@pytest.mark.parametrize(
    ("url", "party"),
    [
        ("https://api.example.com", ("api.example.com", "https://api.example.com")),
        ("https://api.example.com:8443/", ("api.example.com", "https://api.example.com:8443")),
        ("http://localhost:7070", ("localhost", "http://localhost:7070")),
        ("http://127.0.0.1:7070", ("localhost", "http://localhost:7070")),
        ("http://[::1]:7070", ("localhost", "http://localhost:7070")),
        ("http://api.example.com", None),
        ("https://203.0.113.9", None),
        ("http://192.168.1.5:7070", None),
        ("", None),
    ],
)
def test_passkeys_belong_to_the_host_of_the_public_url(url: str, party: tuple[str, str] | None) -> None:
    found = relying_party("BunBase", url)

    assert (found and (found.id, *found.origins)) == party


def test_options_ask_for_a_discoverable_passkey_and_a_verified_user() -> None:
    creating = registration_options(PARTY, USER, b"c" * 32, (b"known",))
    signing = sign_in_options(PARTY, b"c" * 32)

    assert creating["authenticatorSelection"]["residentKey"] == "required"
    assert creating["authenticatorSelection"]["userVerification"] == signing["userVerification"] == "required"
    assert creating["excludeCredentials"] == [{"type": "public-key", "id": text(b"known")}]
    assert {-7, -8, -257} <= {one["alg"] for one in creating["pubKeyCredParams"]}
    assert creating["attestation"] == "none"
    assert "allowCredentials" not in signing or signing["allowCredentials"] == []


def test_an_authenticator_gets_at_most_64_bytes_for_the_longest_id_and_others_for_another_user() -> None:
    """Ids of imported users have up to 128 characters, and stay as they are."""
    handles = {user_handle("x" * length) for length in range(1, 129)}

    assert len(handles) == 128
    assert max(len(one) for one in handles) == 64
    assert user_handle("usr_1") == b"usr_1"
