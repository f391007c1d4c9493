"""OpenID Connect providers that differ from the standard: Google, Apple and Microsoft.

Microsoft: an administrator of a tenant may write any address into the account of a person. Only the claim `xms_edov`
shows that the owner of the domain was verified, so an address without this claim does not count as verified ("nOAuth").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from bunbase.pkg.jwt import encoded
from bunbase.pkg.oidc.id_tokens import TENANT
from bunbase.pkg.oidc.openid import STANDARD, Dialect, person_of
from bunbase.pkg.oidc.person import Person, ProviderFailed
from bunbase.pkg.oidc.settings import APPLE_URL, GOOGLE_URL, MICROSOFT_URL, ProviderSettings

# A secret has at most this many characters. Apple's file has 260, and the import of a much larger key would take long.
MAX_SECRET: Final = 1000
SECRET_SECONDS: Final = 300  # The client secret is valid for this time. Apple allows up to six months.
PERSONAL_ACCOUNTS: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"  # Personal accounts have this tenant.
MANY_TENANTS: Final = ("common", "organizations")


def preset(settings: ProviderSettings, now: Callable[[], float]) -> tuple[ProviderSettings, Dialect]:
    """Return the settings with the issuer, and the dialect of the service. `now`: a clock that returns Unix seconds."""
    match settings.kind:
        case "google":
            return _at(settings, GOOGLE_URL), STANDARD
        case "apple":
            secret = AppleSecret(settings, now)
            # Apple sends the address only with form_post.
            asked = {"response_mode": "form_post"}
            return _at(settings, APPLE_URL), Dialect(asked, scopes=("email",), secret=secret)
        case "microsoft":
            return _microsoft(settings)
        case _:
            mode = settings.options.get("response_mode", "")
            return settings, Dialect({"response_mode": mode}) if mode else STANDARD


class AppleSecret:
    """Makes the client secret of Apple: a token that is valid for minutes. The private key of the settings signs it."""

    def __init__(self, settings: ProviderSettings, now: Callable[[], float]) -> None:
        self.settings = settings
        self.now = now

    def __call__(self) -> str:
        """Return the secret. Raises: ProviderFailed if the settings have no private key of the curve P-256."""
        issued, options = int(self.now()), self.settings.options
        claims = {
            "iss": options.get("team_id", ""),
            "iat": issued,
            "exp": issued + SECRET_SECONDS,
            "aud": APPLE_URL,
            "sub": self.settings.client_id,
        }
        try:
            if len(self.settings.client_secret) > MAX_SECRET:
                raise ValueError("it is too long")
            key = ECKey.import_key(self.settings.client_secret)
            return encoded(claims, key, options.get("key_id", ""), "ES256")
        except (JoseError, ValueError, TypeError):
            raise ProviderFailed("the client secret of Apple is no private key for ES256 (the file .p8)") from None


def _microsoft(settings: ProviderSettings) -> tuple[ProviderSettings, Dialect]:
    tenant = settings.options.get("tenant", "") or "common"
    found = _at(settings, f"{MICROSOFT_URL}/{PERSONAL_ACCOUNTS if tenant == 'consumers' else tenant.lower()}/v2.0")
    named = found.issuer.replace(f"/{tenant}/", f"/{TENANT}/") if tenant in MANY_TENANTS else ""
    return found, Dialect(issuer=named, person=_person_of_microsoft)


def _person_of_microsoft(claims: dict[str, Any]) -> Person:
    verified = claims.get("xms_edov") in (True, "1", "true")  # The value may also be 1, which equals True in Python.
    return person_of(claims | {"email_verified": verified})


def _at(settings: ProviderSettings, issuer: str) -> ProviderSettings:
    return msgspec.structs.replace(settings, issuer=settings.issuer or issuer)
