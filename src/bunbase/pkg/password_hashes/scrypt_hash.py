"""scrypt (RFC 7914), and the form of it that Firebase uses."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from bunbase.pkg.password_hashes.base64_forms import decoded, encoded, hash_of, salt_of
from bunbase.pkg.password_hashes.limits import (
    MAX_HASH,
    MAX_SALT,
    MAX_SCRYPT_MEMORY,
    MAX_SCRYPT_WORK,
    MIN_SCRYPT_LOG_N,
    UnusableHash,
)

FORM: Final = re.compile(r"\$scrypt\$ln=([0-9]{1,3}),r=([0-9]{1,9}),p=([0-9]{1,9})\$([^$]*)\$([^$]+)")
FIREBASE_FORM: Final = re.compile(
    r"\$fbscrypt\$v=1,n=([0-9]{1,3}),r=([0-9]{1,9}),p=([0-9]{1,9}),ss=([^,$]*),sk=([^,$]+)\$([^$]+)\$([^$]+)"
)
SPARE_MEMORY: Final = 1 << 10  # OpenSSL needs a limit above the memory that it takes.
AES_KEY_BYTES: Final = 32
NO_NONCE: Final = bytes(16)  # Each key encrypts only one text, because the salt is part of the key.


class ScryptCost(msgspec.Struct, frozen=True):
    """`log_n`: the binary logarithm of N."""

    log_n: int
    r: int
    p: int

    def check(self) -> None:
        """Check the cost. Raises: UnusableHash."""
        if self.log_n < MIN_SCRYPT_LOG_N or self.r < 1 or self.p < 1:
            raise UnusableHash(
                f"r and p of scrypt are whole numbers from 1, and N is at least {1 << MIN_SCRYPT_LOG_N}."
            )
        if self.memory > MAX_SCRYPT_MEMORY:
            raise UnusableHash(
                f"scrypt uses at most {MAX_SCRYPT_MEMORY >> 20} MiB of memory (128·r·(N + p + 2) bytes)."
            )
        if self.log_n >= 16 * self.r:
            raise UnusableHash("N of scrypt is less than 2^(16·r) (RFC 7914).")
        if (self.r * self.p) << self.log_n > MAX_SCRYPT_WORK:
            raise UnusableHash(f"N·r·p of scrypt is at most {MAX_SCRYPT_WORK}.")

    @property
    def memory(self) -> int:
        """The bytes that a check takes. A huge N counts as 2^64."""
        return 128 * self.r * ((1 << min(self.log_n, 64)) + self.p + 2)

    def derived(self, password: str, salt: bytes, length: int) -> bytes:
        most = self.memory + SPARE_MEMORY
        return hashlib.scrypt(
            password.encode(), salt=salt, n=1 << self.log_n, r=self.r, p=self.p, maxmem=most, dklen=length
        )


class ScryptHash(msgspec.Struct, frozen=True):
    cost: ScryptCost
    salt: bytes
    hash: bytes

    def matches(self, password: str) -> bool:
        return hmac.compare_digest(self.cost.derived(password, self.salt, len(self.hash)), self.hash)

    @property
    def text(self) -> str:
        cost = self.cost
        return f"$scrypt$ln={cost.log_n},r={cost.r},p={cost.p}${encoded(self.salt)}${encoded(self.hash)}"


class FirebaseHash(msgspec.Struct, frozen=True):
    """The key that scrypt derives encrypts the signer key of the Firebase project.

    The encrypted signer key is the hash.

    Source: https://github.com/firebase/scrypt
    """

    cost: ScryptCost
    salt: bytes
    salt_separator: bytes
    signer_key: bytes
    hash: bytes

    def matches(self, password: str) -> bool:
        key = self.cost.derived(password, self.salt + self.salt_separator, AES_KEY_BYTES)
        encrypting = Cipher(AES(key), CTR(NO_NONCE)).encryptor()
        return hmac.compare_digest(encrypting.update(self.signer_key) + encrypting.finalize(), self.hash)

    @property
    def text(self) -> str:
        cost, separator, key = self.cost, encoded(self.salt_separator), encoded(self.signer_key)
        head = f"$fbscrypt$v=1,n={cost.log_n},r={cost.r},p={cost.p},ss={separator},sk={key}"
        return f"{head}${encoded(self.salt)}${encoded(self.hash)}"


def read_scrypt(text: str) -> ScryptHash:
    """Read a hash of scrypt. Raises: UnusableHash."""
    found = FORM.fullmatch(text)
    if found is None:
        raise UnusableHash("A scrypt hash has the form $scrypt$ln=14,r=8,p=1$salt$hash, with N = 2^ln.")
    return _checked(ScryptHash(_cost(found), salt_of(found[4]), hash_of(found[5])))


def read_firebase(text: str) -> FirebaseHash:
    """Read a hash of Firebase. Raises: UnusableHash."""
    found = FIREBASE_FORM.fullmatch(text)
    if found is None:
        raise UnusableHash("A hash of Firebase has the form $fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$hash.")
    separator, key = decoded("salt separator", found[4]), decoded("signer key", found[5])
    return checked_firebase(FirebaseHash(_cost(found), salt_of(found[6]), separator, key, hash_of(found[7])))


def checked_firebase(hash: FirebaseHash) -> FirebaseHash:
    """Return the hash after a check of its cost. Raises: UnusableHash."""
    if len(hash.salt_separator) > MAX_SALT:
        raise UnusableHash(f"A salt separator has at most {MAX_SALT} bytes.")
    if len(hash.signer_key) != len(hash.hash) or len(hash.hash) > MAX_HASH:
        raise UnusableHash("The signer key of Firebase is as long as the hash: is it the key of another project?")
    hash.cost.check()
    return hash


def _checked(hash: ScryptHash) -> ScryptHash:
    hash.cost.check()
    return hash


def _cost(found: re.Match[str]) -> ScryptCost:
    return ScryptCost(int(found[1]), int(found[2]), int(found[3]))
