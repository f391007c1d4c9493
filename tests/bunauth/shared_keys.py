"""Let BunAuth sign with RSA keys that earlier tests of the process have made and loaded."""

from __future__ import annotations

import functools
import itertools

import pytest

from bunbase.bunauth import signing_keys
from bunbase.pkg.jwt import SigningKey
from tests.rsa_keys import private_key


def sign_with_shared_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let BunAuth make shared keys until the end of the test. BunAuth makes no key twice within the test."""
    numbers = itertools.count()
    monkeypatch.setattr(signing_keys, "new_private_key", lambda: private_key(next(numbers)))
    monkeypatch.setattr(signing_keys, "SigningKey", _loaded)


@functools.cache
def _loaded(private: bytes) -> SigningKey:
    return SigningKey(private)
