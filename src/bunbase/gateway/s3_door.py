"""The part of the gateway that the S3 port uses: it finds credentials, limits guesses, and writes the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bunbase.contracts.acts import Act
from bunbase.contracts.audit import ActEnd, AuditedAct
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.contracts.s3_credentials import S3Holder
from bunbase.gateway.credentials import FORWARDED_HEADER, caller_address
from bunbase.gateway.identity import Identity, in_time
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.proxies import Proxies
from bunbase.pkg import context
from bunbase.pkg.logger import logger

log = logger("gateway")

BeginEntry = Callable[[Caller, Act, AuditedAct], Awaitable[str]]


class S3Door:
    def __init__(
        self, identity: Identity, limits: LoginLimits, proxies: Proxies, entry: BeginEntry, platform: Platform
    ) -> None:
        """`entry`: begins an entry of the audit log, and returns its id."""
        self.identity = identity
        self.limits = limits
        self.proxies = proxies
        self.entry = entry
        self.platform = platform

    async def holder(self, access_key_id: str, address: str) -> S3Holder:
        """Return the holder of a credential. An unknown access key id counts towards the limit of the address.

        Raises: InvalidKey, RateLimited, ProjectSuspended, Unreachable.
        """
        known = self.identity.known_s3_holder(access_key_id)
        if known is not None:
            return known
        return await self.limits.look_up(address, access_key_id, lambda: self.identity.s3_holder(access_key_id))

    def address(self, scope: Any) -> str:
        """Return the address of the client, behind proxies that the gateway trusts."""
        peer = scope["client"][0] if scope.get("client") else ""
        name = FORWARDED_HEADER.encode()
        forwarded = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
        return caller_address(peer, forwarded, self.proxies)

    async def begin_act(self, caller: Caller, act: Act, target: str) -> str:
        """Begin an entry of the audit log, and return its id. Raises: AuditUnavailable."""
        return await self.entry(caller, act, AuditedAct(act.value, target, context.request_id.get()))

    async def end_act(self, id: str, status: int) -> None:
        """Store the outcome. Never raises: the act is done, and an entry without an outcome shows it as unknown."""
        try:
            await in_time(self.platform.end_act(id, ActEnd(status)))
        except Exception as error:
            log.warning("an outcome is missing in the audit log", entry=id, status=status, reason=repr(error))
