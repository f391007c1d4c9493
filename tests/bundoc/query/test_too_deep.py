from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.module import MODULE
from bunbase.contracts.bundoc import InvalidQuery, Query
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site


async def test_a_filter_too_deep_for_a_statement_is_refused(tmp_path: Path) -> None:
    kms = FakeKms()
    await kms.create_keys("prj_deep")
    caller = secret_caller("prj_deep")
    where: Any = {"a": 1}
    for _ in range(14):
        where = {".".join("abcdefgh"): {"$elemMatch": where}}

    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path)) as bundoc:
        await bundoc.create(caller, "posts", b'{"_id":"one"}')

        with pytest.raises(InvalidQuery, match="nests too deeply"):
            await bundoc.query(caller, "posts", Query(where=msgspec.json.encode(where)))

        assert (await bundoc.get(caller, "posts", "one")).rev == 1
