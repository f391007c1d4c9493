"""The method with which a user signed in. Sessions and access tokens of the user contain the method."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from bunbase.pkg.identity.factors import Proof, SecondFactor


class SignInMethod(msgspec.Struct, frozen=True):
    """A sign-in method.

    `amr`: the names of the checks (RFC 8176). `provider`: the part of BunBase, or the service, that identified the
    user.
    `aal`: the number of factors that were checked. `vouched`: the project's own server identified the user, so BunBase
    asks for no second factor.
    """

    amr: tuple[str, ...]
    provider: str
    aal: int = 1
    vouched: bool = False

    @property
    def complete(self) -> bool:
        """True if no second factor is needed after this sign-in."""
        return self.aal > 1 or self.vouched

    @property
    def noted(self) -> str:
        """The method as a text that a challenge stores. `method_in` reads it."""
        said = msgspec.json.encode((self.amr, self.provider))
        return urlsafe_b64encode(said).decode().rstrip("=")

    def then(self, checked: Checked) -> SignInMethod:
        """Return the method together with later checks."""
        amr = (*self.amr, *(name for name in checked.amr if name not in self.amr))
        return msgspec.structs.replace(self, amr=amr, aal=max(self.aal, checked.aal))


class Checked(msgspec.Struct, frozen=True):
    """Checks after a sign-in, by their names in RFC 8176. `aal`: the number of factors of the session afterwards."""

    amr: tuple[str, ...]
    aal: int = 1


BY_CODE: Final = Checked(("otp", "mfa"), 2)
# The browser has used the key of a device that has verified its user.
BY_PASSKEY: Final = Checked(("pop", "user", "mfa"), 2)
BY_PASSWORD: Final = Checked(("pwd",))


def proved_by(proof: Proof) -> Checked:
    """Return the checks that a right proof has made."""
    if proof.passkey is not None:
        return BY_PASSKEY
    return BY_CODE if proof.code else BY_PASSWORD


def answered_by(answer: SecondFactor) -> Checked:
    """Return the checks that a right answer to a challenge has made."""
    return BY_PASSKEY if answer.passkey is not None else BY_CODE


ANONYMOUS: Final = SignInMethod((), "anonymous")
PASSWORD: Final = SignInMethod(("pwd",), "password")
PASSKEY: Final = SignInMethod(BY_PASSKEY.amr, "passkey", BY_PASSKEY.aal)
EMAIL_CODE: Final = SignInMethod(("otp",), "email_code")
EMAIL_LINK: Final = SignInMethod(("otp",), "email_link")
IMPERSONATION: Final = SignInMethod((), "impersonation", vouched=True)
PHONE_CODE: Final = SignInMethod(("sms",), "phone")
CUSTOM_TOKEN: Final = SignInMethod(("custom",), "custom", vouched=True)


def method_in(note: str) -> SignInMethod:
    """Return the first step of a sign-in, from the text that a valid challenge has stored."""
    padded = note + "=" * (-len(note) % 4)
    amr, provider = msgspec.json.decode(urlsafe_b64decode(padded), type=tuple[tuple[str, ...], str])
    return SignInMethod(amr, provider)


def external(provider: str, consented: bool) -> SignInMethod:
    """Return the method for a sign-in with another service.

    `consented`: a session of the user has asked for it, so no second factor is needed.
    """
    return SignInMethod(("oauth",), provider, vouched=consented)
