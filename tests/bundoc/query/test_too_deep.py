from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.module import MODULE
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.sql import condition
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.contracts.bundoc.documents import Query
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site


def nested(levels: int, parts: int, leaf: Any) -> bytes:
    where: Any = {"a": leaf}
    for _ in range(levels):
        where = {".".join("abcdefgh"[:parts]): {"$elemMatch": where}}
    return msgspec.json.encode(where)


@pytest.mark.parametrize("leaf", [1, None, {"b": 1}, {"$elemMatch": {"$gt": 1}}, {"$in": list(range(150))}])
@pytest.mark.parametrize("parts", range(1, 9))
def test_sqlite_accepts_the_statement_of_the_deepest_filter(parts: int, leaf: Any) -> None:
    connection = apsw.Connection(":memory:")
    prepare(connection)
    row = "SELECT 'd1' AS id, 3 AS rev, 'x' AS created, 'y' AS updated, '{}' AS body"

    for levels in range(14):
        try:
            test = condition(parse_where(nested(levels, parts, leaf)))
        except InvalidQuery:
            assert parts > 1
            break
        connection.execute(f"SELECT {test.sql} FROM ({row}) AS d", test.params).fetchall()
    connection.close()


async def test_a_filter_too_deep_for_a_statement_is_refused(tmp_path: Path) -> None:
    kms = FakeKms()
    await kms.create_keys("prj_deep")
    caller = secret_caller("prj_deep")
    where: Any = {"a": 1}
    for _ in range(14):
        where = {".".join("abcdefgh"): {"$elemMatch": where}}

    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path)) as bundoc:
        await bundoc.create(caller, "posts", b'{"_id":"one"}')

        with pytest.raises(InvalidQuery, match="too many levels"):
            await bundoc.query(caller, "posts", Query(where=msgspec.json.encode(where)))

        assert (await bundoc.get(caller, "posts", "one")).rev == 1
