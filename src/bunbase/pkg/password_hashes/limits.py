"""The highest cost of one check of a password, for hashes that other systems made.

A person who may import users of one project chooses these costs, and then every sign-in takes this time on the server.
The comments have the processor time of one check, as measured on the machine of `bench/run auth`. Each limit counts
everything that a check does: also the threads of argon2, and the PBKDF2 before the rounds of scrypt.
"""

from __future__ import annotations

from typing import Final

MAX_TEXT: Final = 1024  # A whole hash has at most this many characters. The longest known hash, from Firebase, has 250.
MAX_SALT: Final = 256  # A salt has at most this many bytes.
MIN_HASH: Final = 16  # A hash has at least this many bytes, because other passwords match a shorter hash.
MAX_HASH: Final = 64
MIN_BCRYPT_COST: Final = 4
MAX_BCRYPT_COST: Final = 14  # A check takes 0.9 s.
MAX_PBKDF2_ITERATIONS: Final = 2_000_000  # A check takes 1.1 s with SHA-512, and 0.5 s with SHA-256.
MIN_SCRYPT_LOG_N: Final = 4  # With a smaller N, most of the time goes to the PBKDF2, which N·r·p does not count.
# This is the memory in bytes for N = 2^17 with r = 8, as OWASP recommends.
MAX_SCRYPT_MEMORY: Final = (128 << 20) + (4 << 10)
MAX_SCRYPT_WORK: Final = 1 << 20  # This limits N·r·p. A check takes 1 s.
MAX_ARGON2_MEMORY: Final = 128 << 10  # This limit is in KiB.
MAX_ARGON2_WORK: Final = 1 << 19  # This limits KiB of memory times iterations. A check takes 1.6 s.
# A lane costs at least this much, because every round starts four threads for each lane.
MIN_ARGON2_LANE: Final = 1 << 10
MAX_ARGON2_LANES: Final = 8


class UnusableHash(ValueError):
    """The text is not a hash of a known scheme, or a check of it would take too long. The message tells the reader what
    to do.
    """
