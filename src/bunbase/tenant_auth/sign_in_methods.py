"""How a user signs in. The sessions and the access tokens of the user say so."""

from __future__ import annotations

from typing import Final

import msgspec


class SignInMethod(msgspec.Struct, frozen=True):
    """A way to sign in.

    `amr`: the names of the checks (RFC 8176). `provider`: the part of BunBase or the service that named the user.
    `aal`: the number of factors that were checked. `vouched`: the project's own server names the user, so BunBase asks
    for no second factor.
    """

    amr: tuple[str, ...]
    provider: str
    aal: int = 1
    vouched: bool = False

    @property
    def complete(self) -> bool:
        """True if no second factor is asked for after this sign-in."""
        return self.aal > 1 or self.vouched


ANONYMOUS: Final = SignInMethod((), "anonymous")
PASSWORD: Final = SignInMethod(("pwd",), "password")
EMAIL_CODE: Final = SignInMethod(("otp",), "email_code")
EMAIL_LINK: Final = SignInMethod(("otp",), "email_link")
CUSTOM_TOKEN: Final = SignInMethod(("custom",), "custom", vouched=True)
