"""Service clients: programs outside of the installation that may call one of its rooms.

Each program has a name and a secret.
"""

from __future__ import annotations

import hmac
from typing import Final

from bunbase.bunauth.settings import BunAuthSettings
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.secret_text import check_secret

# The name has at most this many characters, because every token of the program contains it.
MAX_NAME_LENGTH: Final = 64
NOBODY: Final = fingerprint("")


class ServiceClients:
    """Checks the secrets of service clients.

    The secret for an unknown name is also compared with a fingerprint, so that the response time does not show which
    names exist.
    """

    def __init__(self, settings: BunAuthSettings) -> None:
        """Check the configuration. Raises: CannotStart."""
        secrets = settings.service_client_secrets
        if settings.service_exchange and not secrets:
            raise CannotStart(
                "bunauth.service_exchange is on, but bunauth.service_client_secrets is empty: set both or neither"
            )
        for name, secret in secrets.items():
            if not 1 <= len(name) <= MAX_NAME_LENGTH:
                raise CannotStart(
                    f"names in bunauth.service_client_secrets must have 1 to {MAX_NAME_LENGTH} characters"
                )
            check_secret(f"bunauth.service_client_secrets.{name}", secret)
        self._fingerprints = {name: fingerprint(secret) for name, secret in secrets.items()}

    def is_client(self, name: str, secret: str) -> bool:
        expected = self._fingerprints.get(name)
        same = hmac.compare_digest(fingerprint(secret), expected or NOBODY)
        return same and expected is not None
