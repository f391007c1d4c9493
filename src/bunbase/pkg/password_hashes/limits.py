"""The highest cost of one check of a password, for hashes that other systems made.

A person who may import users of one project chooses these costs, and then every sign-in takes this time on the server.
The comments have the processor time of one check, as measured on the machine of `bench/run auth`. Each limit counts
everything that a check does: also the threads of argon2, and the PBKDF2 before the rounds of scrypt.
"""

from __future__ import annotations

from typing import Final

MAX_TEXT: Final = 1024  # characters of a whole hash; the longest known hash, from Firebase, has 250
MAX_SALT: Final = 256  # bytes
MIN_HASH: Final = 16  # bytes; a shorter hash has other passwords that match it
MAX_HASH: Final = 64
MIN_BCRYPT_COST: Final = 4
MAX_BCRYPT_COST: Final = 14  # 0.9 s
MAX_PBKDF2_ITERATIONS: Final = 2_000_000  # 1.1 s with SHA-512, 0.5 s with SHA-256
MIN_SCRYPT_LOG_N: Final = 4  # with a smaller N, most of the time goes to the PBKDF2, which N·r·p does not count
MAX_SCRYPT_MEMORY: Final = (128 << 20) + (4 << 10)  # bytes; N = 2^17 with r = 8, as OWASP recommends
MAX_SCRYPT_WORK: Final = 1 << 20  # N·r·p: 1 s
MAX_ARGON2_MEMORY: Final = 128 << 10  # KiB
MAX_ARGON2_WORK: Final = 1 << 19  # KiB of memory times iterations: 1.6 s
MIN_ARGON2_LANE: Final = 1 << 10  # the minimum cost of a lane, because every round starts four threads for each lane
MAX_ARGON2_LANES: Final = 8


class UnusableHash(ValueError):
    """The text is not a hash of a known scheme, or a check of it would take too long. The message tells the reader what
    to do.
    """
