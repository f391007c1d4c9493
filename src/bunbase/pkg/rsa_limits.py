"""Limits for the RSA keys of strangers. The person who chooses a key decides how long a check of its signatures takes.

A check is one power modulo `n`. OpenSSL allows exponents as long as a modulus of 3,072 bits. With such an exponent, one
check takes 24 to 41 ms, during which the process answers no requests. With the limits below, it takes at most 4 ms
(measured with 8,192 bits).
"""

from __future__ import annotations

from typing import Final

MIN_BITS: Final = 2048  # See RFC 7518 §3.3 and RFC 8812 §2.
MAX_BITS: Final = 8192
MAX_EXPONENT_BITS: Final = 32  # The usual exponents are 3, 17 and 65,537.


def is_usable_rsa(n: int, e: int) -> bool:
    """True if signatures with the public key may be checked."""
    return MIN_BITS <= n.bit_length() <= MAX_BITS and 1 < e.bit_length() <= MAX_EXPONENT_BITS
