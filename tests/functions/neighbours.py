"""The rooms that Functions needs, for tests: BunKMS as a fake, the others only where a test is about them."""

from __future__ import annotations

from typing import Any

from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms


class Absent:
    """A room that does not answer."""

    def __getattr__(self, name: str) -> Any:
        async def call(*_: Any) -> Any:
            raise Unreachable("This room is not part of the test.")

        return call


def neighbours(kms: FakeKms | None = None) -> Rooms:
    return Rooms({Kms: kms or FakeKms(), Bundoc: Absent(), TenantAuth: Absent()})
