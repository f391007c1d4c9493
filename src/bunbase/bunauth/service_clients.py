"""Programs outside the installation that may call one of its rooms. Each has its own name and secret."""

from __future__ import annotations

import hmac
from typing import Final

from bunbase.bunauth.settings import BunAuthSettings
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.secret_text import check_secret

MAX_NAME_LENGTH: Final = 64  # every token of the program contains it
NOBODY: Final = fingerprint("")


class ServiceClients:
    """Checks secrets. It compares fingerprints, also for an unknown name, so that the time tells nothing."""

    def __init__(self, settings: BunAuthSettings) -> None:
        """Raises: CannotStart."""
        secrets = settings.service_client_secrets
        if settings.service_exchange and not secrets:
            raise CannotStart(
                "bunauth.service_exchange is on, but no program may use it: set bunauth.service_client_secrets"
            )
        for name, secret in secrets.items():
            if not 1 <= len(name) <= MAX_NAME_LENGTH:
                raise CannotStart(f"a name in bunauth.service_client_secrets has 1 to {MAX_NAME_LENGTH} characters")
            check_secret(f"bunauth.service_client_secrets.{name}", secret)
        self._fingerprints = {name: fingerprint(secret) for name, secret in secrets.items()}

    def is_client(self, name: str, secret: str) -> bool:
        expected = self._fingerprints.get(name)
        same = hmac.compare_digest(fingerprint(secret), expected or NOBODY)
        return same and expected is not None
