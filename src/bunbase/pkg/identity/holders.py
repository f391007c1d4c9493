"""The accounts of a room, as this package needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar


class Holder(Protocol):
    """An account that holds credentials. `email`: None if the account has no address.

    `version` increases with each change of the credentials. A sign-in that began with an older version opens no
    session.
    """

    @property
    def id(self) -> str: ...

    @property
    def email(self) -> str | None: ...

    @property
    def version(self) -> int: ...


H = TypeVar("H", bound=Holder)
H_co = TypeVar("H_co", bound=Holder, covariant=True)


class Holders(Protocol[H_co]):
    """The accounts of one pool."""

    async def locked(self, id: str) -> H_co | None:
        """Return the account. Other requests cannot change its credentials until the transaction ends."""
        ...

    async def change_version(self, id: str) -> None:
        """Increase the version after a change of the credentials. Sign-ins that began before cannot open a session."""
        ...


class Vault:
    """Seals secrets under a key that this process does not hold.

    `prefix`: the prefix of each context. `seal(context, plaintext)` returns the sealed text, and `unseal(context,
    sealed)` returns the plaintext.
    """

    def __init__(
        self,
        prefix: str,
        seal: Callable[[str, bytes], Awaitable[str]],
        unseal: Callable[[str, str], Awaitable[bytes]],
    ) -> None:
        self.prefix = prefix
        self._seal = seal
        self._unseal = unseal

    async def sealed(self, purpose: str, secret: str) -> str:
        """Seal a secret. The secret can be unsealed only for the same purpose, so the purpose must name the account."""
        return await self._seal(self.prefix + purpose, secret.encode())

    async def unsealed(self, purpose: str, sealed: str) -> str:
        return (await self._unseal(self.prefix + purpose, sealed)).decode()
