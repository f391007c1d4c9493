from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
from tests.authenticator import KINDS, Authenticator, text

ORIGIN = "https://api.example.com"
PARTY = RelyingParty("api.example.com", "BunBase", (ORIGIN,))
USER = PasskeyUser("usr_1", "ada@example.com", "Ada")

Break = Callable[[Authenticator], None]


def made(authenticator: Authenticator) -> NewPasskey:
    challenge = new_challenge()
    return registered(PARTY, authenticator.create(registration_options(PARTY, USER, challenge, ())), challenge)


def stored(new: NewPasskey, sign_count: int | None = None) -> PublicPasskey:
    return PublicPasskey(new.credential_id, new.public_key, new.sign_count if sign_count is None else sign_count)


@pytest.mark.parametrize("kind", KINDS)
def test_a_passkey_of_each_algorithm_registers_and_signs_in(kind: str) -> None:
    authenticator = Authenticator(ORIGIN, KINDS[kind]())
    new, challenge = made(authenticator), new_challenge()

    credential = authenticator.get(sign_in_options(PARTY, challenge))

    assert checked(PARTY, credential, challenge_in(credential), stored(new)) == 1
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
        assert checked(PARTY, credential, challenge, stored(new, before)) == sent
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

    assert checked(PARTY, authenticator.get(sign_in_options(PARTY, challenge)), challenge, stored(new)) == 0


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
    """Imported users keep ids of up to 128 characters."""
    handles = {user_handle("x" * length) for length in range(1, 129)}

    assert len(handles) == 128
    assert max(len(one) for one in handles) == 64
    assert user_handle("usr_1") == b"usr_1"
