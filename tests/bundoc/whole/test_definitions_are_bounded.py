"""A single answer contains all definitions of a project, so their total size is limited."""

from __future__ import annotations

import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.altering import MAX_DEFINED_BYTES
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.problems import CollectionNotFound
from bunbase.pkg.errors import InvalidInput
from tests.bundoc.permissions.asking import SERVER

LARGE = {"description": "x" * 60_000}


async def test_the_total_size_of_the_definitions_of_a_project_is_limited(service: BundocService) -> None:
    most = MAX_DEFINED_BYTES // 60_000
    for number in range(most):
        await service.put_collection(SERVER, f"c{number}", CollectionSpec(schema=LARGE))

    with pytest.raises(InvalidInput):
        await service.put_collection(SERVER, "one_more", CollectionSpec(schema=LARGE))
    with pytest.raises(CollectionNotFound):
        await service.collection(SERVER, "one_more")
    await service.put_collection(SERVER, "c0", CollectionSpec(schema=None))
    await service.put_collection(SERVER, "one_more", CollectionSpec(schema=LARGE, rules=Rules(get="true")))

    assert len(await service.collections(SERVER)) == most + 1
