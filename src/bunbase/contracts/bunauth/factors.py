"""Second factors and passkeys of an account.

`pkg/identity` defines the factors, because end users have the same factors.
"""

from __future__ import annotations

from bunbase.pkg.identity.factors import (
    Code,
    NewTotp,
    Passkey,
    PasskeyOptions,
    Passkeys,
    Proof,
    RecoveryCodes,
    SecondFactor,
    TotpState,
)

__all__ = [
    "Code",
    "NewTotp",
    "Passkey",
    "PasskeyOptions",
    "Passkeys",
    "Proof",
    "RecoveryCodes",
    "SecondFactor",
    "TotpState",
]
