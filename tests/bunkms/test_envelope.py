from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bunkms.envelope import NONCE_BYTES, Sealed, decrypt, encrypt, new_key, parse_sealed
from bunbase.contracts.bunkms import DecryptionFailed

KEY = bytes(range(32))
WORDS = ("secret", "prj_bakery", "1", "env/API_KEY")


@given(plaintext=st.binary(max_size=300), words=st.lists(st.text(max_size=20), max_size=4))
def test_an_encrypted_value_decrypts_to_the_plaintext(plaintext: bytes, words: list[str]) -> None:
    assert decrypt(KEY, encrypt(KEY, plaintext, *words), *words) == plaintext


@pytest.mark.parametrize(
    "words",
    [
        ("secret", "prj_library", "1", "env/API_KEY"),
        ("data-key", "prj_bakery", "1", "env/API_KEY"),
        ("secret", "prj_bakery", "2", "env/API_KEY"),
        ("secret", "prj_bakery", "1", "env/API_KE"),
        ("prj_bakery", "secret", "1", "env/API_KEY"),
        ("secret", "prj_bakery1", "", "env/API_KEY"),
        ("secretprj_bakery", "1", "env/API_KEY"),
        (*WORDS, ""),
        (),
    ],
)
def test_decryption_with_another_context_fails(words: tuple[str, ...]) -> None:
    ciphertext = encrypt(KEY, b"flour", *WORDS)

    with pytest.raises(DecryptionFailed):
        decrypt(KEY, ciphertext, *words)


def test_decryption_with_another_key_fails() -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(new_key(), encrypt(KEY, b"flour", *WORDS), *WORDS)


def test_decryption_fails_if_any_bit_is_flipped() -> None:
    ciphertext = encrypt(KEY, b"flour", *WORDS)

    for bit in range(len(ciphertext) * 8):
        flipped = bytearray(ciphertext)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptionFailed):
            decrypt(KEY, bytes(flipped), *WORDS)


@pytest.mark.parametrize("length", [0, 1, NONCE_BYTES, NONCE_BYTES + 15])
def test_decryption_of_a_truncated_value_fails(length: int) -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(KEY, encrypt(KEY, b"flour", *WORDS)[:length], *WORDS)


def test_encrypting_one_secret_twice_yields_different_ciphertexts() -> None:
    assert encrypt(KEY, b"flour", *WORDS) != encrypt(KEY, b"flour", *WORDS)


@given(version=st.integers(1, 999_999_999), ciphertext=st.binary(min_size=1, max_size=100))
def test_a_sealed_value_contains_its_key_version(version: int, ciphertext: bytes) -> None:
    sealed = Sealed(version, ciphertext)

    assert sealed.text().startswith(f"bunkms:v{version}:")
    assert parse_sealed(sealed.text()) == sealed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bunkms:v1:",
        "bunkms:v0:AAAA",
        "bunkms:v01:AAAA",
        "bunkms:v-1:AAAA",
        "bunkms:v1000000000:AAAA",
        "bunkms:v1:A",
        "bunkms:v1:AA=A",
        "bunkms:v1:AAAA\n",
        "bunkms:v1:AA-_",
        "vault:v1:AAAA",
        "bunkms:v١:AAAA",
    ],
)
def test_a_malformed_sealed_value_is_refused(text: str) -> None:
    with pytest.raises(DecryptionFailed):
        parse_sealed(text)
