from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from bunbase.pkg.opaque import fingerprint, hint, new_secret, open_with, seal_with


def test_a_secret_has_46_characters_a_hash_of_32_bytes_and_a_hint() -> None:
    secret = new_secret("sk")

    assert secret.startswith("sk_")
    assert secret[3:].isalnum()
    assert len(secret) == 46
    assert len(fingerprint(secret)) == 32
    assert fingerprint(secret) != fingerprint(new_secret("sk"))
    assert hint("sk_abcdefgh") == "sk_abcd…"


def test_only_the_same_secret_opens_a_sealed_value() -> None:
    sealed = seal_with("one", b"the pair")

    assert open_with("one", sealed) == b"the pair"
    assert seal_with("one", b"the pair") != sealed
    with pytest.raises(InvalidTag):
        open_with("another", sealed)
    with pytest.raises(InvalidTag):
        open_with("one", sealed[:-1] + bytes([sealed[-1] ^ 1]))
