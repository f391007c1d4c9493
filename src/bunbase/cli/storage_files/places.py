"""Places of files, as people write them: `photos:2026/rye.jpg` in a bucket, a path of this machine, or `-`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from bunbase.cli.errors import Usage
from bunbase.contracts.storage import MAX_KEY_BYTES

# a bucket has at least 3 characters and no slash, so neither ./a:b nor a drive letter looks like one
REMOTE: Final = re.compile(r"([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]):(.*)", re.DOTALL)
STREAM: Final = "-"


class Remote(msgspec.Struct, frozen=True):
    """An object, or all objects whose keys begin with `key`. Every key is allowed, such as `..` and `a//b`."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}:{self.key}"

    def below(self, name: str) -> Remote:
        """Return the place of a file in this folder. The key of a folder ends with a slash, or is empty."""
        folder = self.key if not self.key or self.key.endswith("/") else f"{self.key}/"
        return Remote(self.bucket, folder + name)


def place_of(text: str) -> Remote | Path | None:
    """Return the place; None for `-`, which is stdin or stdout. Raises: Usage."""
    if text == STREAM:
        return None
    if (found := REMOTE.fullmatch(text)) is None:
        return Path(text)
    return Remote(found[1], checked_key(found[2]))


def remote_of(text: str) -> Remote:
    """Return a place in a bucket. Raises: Usage."""
    place = place_of(text)
    if isinstance(place, Remote):
        return place
    raise Usage(f"{text} is no place in a bucket: write the bucket, a colon and the key, such as photos:2026/rye.jpg.")


def checked_key(key: str) -> str:
    """Raises: Usage for a key that no object can have."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise Usage(f"The name {key!a} is not valid UTF-8, so it cannot be a key.") from None
    if size > MAX_KEY_BYTES:
        raise Usage(f"A key has at most {MAX_KEY_BYTES} bytes: {key[:60]}… has {size}.")
    return key
