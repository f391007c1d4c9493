"""The rooms that Functions needs, for tests. BunKMS is a fake. The other rooms are absent unless a test adds them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.collections import Collection
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.live_usage import LiveUsageHour
from bunbase.contracts.tenant_auth.active_users import ActiveMonth
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms


class Absent:
    """A room that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        async def call(*_: Any) -> Any:
            raise Unreachable("This room is not part of the test.")

        return call


class NoDocuments(Absent):
    """A Bundoc that has no collections, and serves nothing else."""

    async def collections(self, _caller: Caller) -> tuple[Collection, ...]:
        return ()


class NoUsers(Absent):
    """A tenant-auth that counts no active users, has no hooks, and serves nothing else."""

    async def hooks_of_function(self, _project: str, _function: str) -> tuple[str, ...]:
        return ()

    async def monthly_active_users(self, _project: str) -> tuple[ActiveMonth, ...]:
        return ()


class NoChannels(Absent):
    """A Buncast without any usage, which serves nothing else."""

    async def live_usage(self, _project: str, _since: datetime, _limit: int) -> tuple[LiveUsageHour, ...]:
        return ()


def neighbours(kms: FakeKms | None = None) -> Rooms:
    return Rooms({Kms: kms or FakeKms(), Bundoc: NoDocuments(), TenantAuth: NoUsers(), Buncast: NoChannels()})
