"""Read the hash of any scheme."""

from __future__ import annotations

from typing import Protocol

from bunbase.pkg.password_hashes.argon2_hash import read_argon2
from bunbase.pkg.password_hashes.bcrypt_hash import read_bcrypt
from bunbase.pkg.password_hashes.limits import MAX_TEXT, UnusableHash
from bunbase.pkg.password_hashes.pbkdf2_hash import read_pbkdf2
from bunbase.pkg.password_hashes.scrypt_hash import read_firebase, read_scrypt


class PasswordHash(Protocol):
    """A hash of any scheme. `text`: the form in which the hash is stored."""

    @property
    def text(self) -> str: ...

    def matches(self, password: str) -> bool:
        """True if the password has this hash.

        A check takes up to a second of processor time, so call it in a thread.
        """
        ...


def read_hash(text: str) -> PasswordHash:
    """Return the hash in a text, if the check of a password takes no longer than `limits.py` allows.

    Raises: UnusableHash.
    """
    if len(text) > MAX_TEXT:
        raise UnusableHash(f"The text of a hash has at most {MAX_TEXT} characters.")
    match text.removeprefix("$").partition("$")[0]:
        case "2a" | "2b" | "2y":
            return read_bcrypt(text)
        case "argon2i" | "argon2id":
            return read_argon2(text)
        case "scrypt":
            return read_scrypt(text)
        case "fbscrypt":
            return read_firebase(text)
        case "pbkdf2" | "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512":
            return read_pbkdf2(text)
        case _:
            raise UnusableHash(
                "The scheme of the hash is unknown. A hash begins with $2a$, $2b$, $2y$, $argon2i$, $argon2id$, "
                "$scrypt$, $fbscrypt$, $pbkdf2-sha1$, $pbkdf2-sha256$ or $pbkdf2-sha512$."
            )
