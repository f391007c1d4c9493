"""RSA keys that the tests of a process share. To make a key takes 40 ms of processor time, and to load one 30 ms."""

from __future__ import annotations

import functools
import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from bunbase.bunauth import signing_keys
from bunbase.pkg.jwt import SigningKey, new_private_key


@functools.cache
def private_key(number: int) -> bytes:
    """Return the key with this number, in the form of `new_private_key`: the same key for the same number."""
    return new_private_key()


@functools.cache
def loaded_key(number: int) -> rsa.RSAPrivateKey:
    key = load_der_private_key(private_key(number), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def sign_with_shared_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let BunAuth sign with shared keys until the end of the test. It gets no key twice within the test."""
    numbers = itertools.count()
    monkeypatch.setattr(signing_keys, "new_private_key", lambda: private_key(next(numbers)))
    monkeypatch.setattr(signing_keys, "SigningKey", _loaded)


@functools.cache
def _loaded(private: bytes) -> SigningKey:
    return SigningKey(private)
