from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.functions.service import FunctionsService
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.modules import Rooms
from tests.functions.calls import MEMBER, PROJECT, deploy
from tests.functions.triggers.runs import SAY, said

POSTS: list[dict[str, Any]] = [{"collection": "posts"}]
DOWN = Unreachable("Bundoc is restarting.")


@pytest.fixture
def bundoc(rooms: Rooms) -> Bundoc:
    return rooms[Bundoc]


async def write(bundoc: Bundoc, id: str) -> None:
    await bundoc.put(MEMBER, "posts", id, msgspec.json.encode({}), NO_PRECONDITION)


async def test_a_rollback_to_a_version_with_a_trigger_misses_no_change_of_its_duration(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(functions, "f", SAY, on=POSTS)
    await deploy(functions, "f", SAY)
    replace_outdated = functions.rollout.replace_outdated

    async def write_and_replace(project: str, name: str = "") -> None:
        await write(bundoc, "during")
        await replace_outdated(project, name)

    monkeypatch.setattr(functions.rollout, "replace_outdated", write_and_replace)
    await functions.rollback(MEMBER, "f", 1)
    await write(bundoc, "after")

    assert {one["body"]["id"] for one in await said(functions, "f", 2)} == {"during", "after"}


async def test_a_rollback_while_bundoc_is_unreachable_leaves_the_active_version(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(functions, "f", SAY, on=POSTS)
    await deploy(functions, "f", SAY)

    async def unreachable(*_: object) -> None:
        raise DOWN

    with monkeypatch.context() as patch:
        patch.setattr(functions.feeds, "newest", unreachable)
        with pytest.raises(Unreachable):
            await functions.rollback(MEMBER, "f", None)

    assert (await functions.function(MEMBER, "f")).version == 2


@pytest.mark.parametrize("by_rollback", [False, True])
async def test_an_interrupted_activation_misses_no_later_change(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch, by_rollback: bool
) -> None:
    """A server may die after the version became active.

    The trigger of the version then has its first change already.
    """
    if by_rollback:
        await deploy(functions, "f", SAY, on=POSTS)
        await deploy(functions, "f", SAY)

    async def die(*_: object) -> None:
        raise DOWN

    with monkeypatch.context() as patch:
        patch.setattr(functions.rollout, "replace_outdated", die)
        with pytest.raises(Unreachable):
            await (functions.rollback(MEMBER, "f", 1) if by_rollback else deploy(functions, "f", SAY, on=POSTS))
    await write(bundoc, "after")

    assert [one["body"]["id"] for one in await said(functions, "f", 1)] == ["after"]


async def test_the_name_of_a_function_is_checked_before_its_triggers(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: object) -> None:
        raise DOWN

    monkeypatch.setattr(functions.feeds, "newest", unreachable)

    with pytest.raises(InvalidInput, match="name"):
        await deploy(functions, "No Name", SAY, on=POSTS)


async def test_a_subscription_that_an_earlier_build_left_without_a_cursor_begins_at_the_newest_change(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=POSTS)
    await write(bundoc, "missed")
    await said(functions, "f", 1)
    db = functions.stores.subscriptions.db
    await db.execute("UPDATE subscriptions SET cursor = NULL, since = '2020-01-01'")

    while await db.value("SELECT cursor FROM subscriptions") is None:
        await functions.feeds.turn(PROJECT, 0)
    await write(bundoc, "after")

    assert [one["body"]["id"] for one in await said(functions, "f", 2)] == ["missed", "after"]
