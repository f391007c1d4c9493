"""Keys of requests that may arrive several times but act once: the header Idempotency-Key.

A client makes a random key for each act and sends it again with each attempt. The receiver stores only two hashes and
the first answer. The receiver finds the row by the hash `act`. The hash `request` shows whether the same key came with
another request.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import msgspec

from bunbase.pkg.errors import InvalidInput, Malformed

HEADER: Final = "idempotency-key"
REPLAYED: Final = "idempotency-replayed"
MAX_KEY: Final = 200
KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY}}}")
KEPT_FOR: Final = timedelta(hours=24)
HASH_BYTES: Final = 16  # A collision would only confuse the keys of the caller who makes it.
LARGE_BYTES: Final = 256 << 10  # Hashing this much takes 0.3 ms. A longer request is hashed in a thread.


class Attempt(msgspec.Struct, frozen=True):
    """One attempt of an act. `act`: a hash of the caller and the key. `request`: a hash of the request."""

    act: bytes
    request: bytes


def sent_key(headers: Mapping[str, str]) -> str:
    """Return the key of a request, "" if the request has no key. Raises: InvalidInput, Malformed if the request has two
    keys.
    """
    key = headers.get(HEADER)
    if key is None:
        return ""
    several = getattr(headers, "getall", None)
    if several is not None and len(cast(list[Any], several(HEADER, []))) > 1:
        raise Malformed("Send the header Idempotency-Key only once.")
    if not KEY.fullmatch(key):
        message = f"A key has 1 to {MAX_KEY} visible ASCII characters, for example a random UUID."
        raise InvalidInput.at("Idempotency-Key", message)
    return key


async def attempt(scope: Iterable[str], key: str, *request: str | bytes) -> Attempt:
    """Return the attempt of a request. `scope`: the project and the caller, so that the same key of another caller is a
    different key.
    """
    act = hash_of((*scope, key))
    if sum([len(part) for part in request]) < LARGE_BYTES:
        return Attempt(act, hash_of(request))
    return Attempt(act, await asyncio.to_thread(hash_of, request))


def hash_of(parts: Iterable[str | bytes]) -> bytes:
    """Return a hash of the parts. Each part is hashed with its length, so no two lists of parts look the same."""
    hashed = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hashed.update(b"%d:" % len(data))
        hashed.update(data)
    return hashed.digest()
