"""The shares of the places for uploads, so that nobody can keep all others of a project from uploading.

A user, an address, and an S3 credential that is limited to some buckets are outsiders: one of them has at most a
quarter of the places, and all of them together three quarters. A key of the project without such a limit, and an
account of a member, has at most three quarters.
"""

from __future__ import annotations

import msgspec

from bunbase.contracts.caller import Caller, CallerKind


class Holder(msgspec.Struct, frozen=True):
    """The one to whom an upload counts."""

    name: str
    is_outsider: bool = False

    def share(self, places: int) -> int:
        """Return the number of the places that this holder may take."""
        return max(1, places // 4) if self.is_outsider else places - places // 4

    @property
    def shown(self) -> str:
        return (
            "A user, an address, or a credential for some buckets" if self.is_outsider else "One key, or one account,"
        )


def share_holder(caller: Caller) -> Holder:
    if caller.kind is CallerKind.SECRET and not caller.act:
        return Holder(f"key {caller.key}", bool(caller.buckets))
    if caller.kind is CallerKind.DEVELOPER or caller.act:
        return Holder(f"account {caller.act or (caller.developer.id if caller.developer else '')}")
    return Holder(f"user {caller.user.uid}" if caller.user is not None else f"address {caller.ip}", True)
