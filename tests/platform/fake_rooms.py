"""Fakes of the rooms that Platform notifies of deleted projects. They only record the notification."""

from __future__ import annotations

from bunbase.contracts.bundoc.documents import StoredSize
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms


class Hearing:
    """A room that records in `dropped` the projects that it was told to drop."""

    def __init__(self) -> None:
        self.reachable = True
        self.dropped: list[str] = []

    async def drop_project(self, project: str) -> None:
        if not self.reachable:
            raise Unreachable("This room is down.")
        self.dropped.append(project)


class FakeBundoc(Hearing):
    """`sizes`: the sizes that it reports."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[str, StoredSize] = {}

    async def stored_sizes(self, projects: tuple[str, ...]) -> dict[str, StoredSize]:
        return {project: size for project, size in self.sizes.items() if project in projects}

    async def stored_bytes(self) -> int:
        return sum(size.bytes for size in self.sizes.values())


class FakeRooms:
    def __init__(self) -> None:
        self.kms = FakeKms(lazy=False)
        self.tenant_auth, self.bundoc, self.functions = Hearing(), FakeBundoc(), Hearing()

    def rooms(self) -> Rooms:
        return Rooms(
            {Kms: self.kms, TenantAuth: self.tenant_auth, Bundoc: self.bundoc, Functions: self.functions},
        )

    def have_heard(self, project: str) -> bool:
        hearing = (self.tenant_auth, self.bundoc, self.functions)
        return project in self.kms.destroyed and all(project in room.dropped for room in hearing)
