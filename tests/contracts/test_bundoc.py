"""What other rooms and the gateway may rely on, in this process and behind an internal port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bunbase.bundoc.module import MODULE
from bunbase.contracts.bundoc import (
    NO_PRECONDITION,
    Aggregation,
    Bundoc,
    CollectionNotFound,
    CollectionSpec,
    Commit,
    CommitResult,
    DocumentExists,
    DocumentNotFound,
    DocumentTooLarge,
    IndexSpec,
    InvalidDocument,
    InvalidQuery,
    InvalidRule,
    InvalidUpdate,
    Precondition,
    Query,
    ResyncRequired,
    RuleDenied,
    Rules,
    StaleRevision,
    UniqueViolation,
)
from bunbase.contracts.bunkms import KeyDestroyed, Kms
from bunbase.contracts.caller import Caller, CallerKind, EndUser, Role
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput, Malformed, Problem
from bunbase.pkg.metrics import metrics_text
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms
from tests.rooms import ANYONE, member_caller, opened, publishable_caller, secret_caller, site

CALLER = secret_caller("prj_a")


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture(params=["local", "remote"])
async def bundoc(request: pytest.FixtureRequest, tmp_path: Path, kms: FakeKms) -> AsyncIterator[Bundoc]:
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path), request.param) as service:
        yield service


async def test_a_document_is_created_read_changed_and_deleted(bundoc: Bundoc) -> None:
    created = await bundoc.create(CALLER, "posts", b'{"title":"Hello","n":1.0}')
    assert (created.rev, created.created) == (1, True)
    assert created.body.startswith(f'{{"_id":"{created.id}","_rev":1,"_created":"2'.encode())
    assert created.body.endswith(b'"title":"Hello","n":1.0}')

    got = await bundoc.get(CALLER, "posts", created.id)
    assert (got.body, got.created) == (created.body, False)

    patched = await bundoc.patch(CALLER, "posts", created.id, b'{"title":null}', Precondition(rev=1))
    assert patched.rev == 2
    assert patched.body.endswith(b'"n":1.0}')

    await bundoc.delete(CALLER, "posts", created.id, NO_PRECONDITION)
    with pytest.raises(DocumentNotFound):
        await bundoc.get(CALLER, "posts", created.id)


async def test_put_says_whether_it_created(bundoc: Bundoc) -> None:
    first = await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)
    second = await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)

    assert (first.created, second.created) == (True, False)


async def test_every_refusal_arrives_as_itself(bundoc: Bundoc) -> None:
    await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)

    with pytest.raises(DocumentExists):
        await bundoc.create(CALLER, "posts", b'{"_id":"d1"}')
    with pytest.raises(StaleRevision) as stale:
        await bundoc.put(CALLER, "posts", "d1", b"{}", Precondition(absent=True))
    assert stale.value.extra["rev"] == 1
    with pytest.raises(InvalidDocument) as invalid:
        await bundoc.create(CALLER, "posts", b'{"_mine":1}')
    assert invalid.value.extra["errors"][0]["path"] == "/_mine"
    with pytest.raises(DocumentTooLarge):
        await bundoc.create(CALLER, "posts", b'{"a":"%b"}' % (b"x" * (1 << 20)))
    with pytest.raises(Malformed):
        await bundoc.create(CALLER, "posts", b"{")
    with pytest.raises(InvalidInput):
        await bundoc.get(CALLER, "Posts", "d1")
    with pytest.raises(InvalidCursor):
        await bundoc.list(CALLER, "posts", 20, "nonsense")
    with pytest.raises(InvalidInput):
        await bundoc.list(CALLER, "posts", 501, None)


async def test_a_commit_and_the_changes_it_made(bundoc: Bundoc) -> None:
    create = '{"op":"create","collection":"posts","id":"d1","data":{"n":1.50}}'
    count = '{"op":"patch","collection":"posts","id":"d1","data":{"$inc":{"n":1}},"if_rev":1}'

    done = await bundoc.commit(CALLER, f'{{"writes":[{create},{count}]}}'.encode())
    with pytest.raises(StaleRevision) as stale:
        await bundoc.commit(CALLER, f'{{"writes":[{count}]}}'.encode())
    with pytest.raises(InvalidUpdate):
        await bundoc.patch(CALLER, "posts", "d1", b'{"$inc":{"n":"1"}}', NO_PRECONDITION)

    assert done == Commit(2, (CommitResult("d1", 1), CommitResult("d1", 2)))
    assert stale.value.extra["write"] == 0
    assert (await bundoc.get(CALLER, "posts", "d1")).body.endswith(b'"n":2.5}')
    changes = await bundoc.changes(CALLER, 0, 1, 0.0)
    assert [(one.seq, one.op, one.id) for one in changes.items] == [(1, "create", "d1")]
    assert (await bundoc.changes(CALLER, 2, 10, 0.01)).items == ()
    with pytest.raises(ResyncRequired):
        await bundoc.changes(CALLER, 3, 10, 0.0)


async def test_a_walk_through_a_collection_meets_every_document(bundoc: Bundoc) -> None:
    for number in range(25):
        await bundoc.put(CALLER, "posts", f"d{number:02}", b"{}", NO_PRECONDITION)

    found, cursor = [], None
    for _ in range(3):
        page = msgspec.json.decode((await bundoc.list(CALLER, "posts", 10, cursor)).body)
        found += [item["_id"] for item in page["items"]]
        cursor = page["next"]

    assert found == [f"d{number:02}" for number in range(25)]
    assert cursor is None


async def test_queries_and_collections_work_from_anywhere(bundoc: Bundoc) -> None:
    made = await bundoc.put_collection(CALLER, "posts", CollectionSpec((IndexSpec(("n",), unique=True),)))
    assert made.indexes[0].ready
    for number in range(3):
        await bundoc.put(CALLER, "posts", f"d{number}", b'{"n":%d}' % number, NO_PRECONDITION)

    page = await bundoc.query(CALLER, "posts", Query(b'{"n":{"$gt":0}}', sort=("-n",), select=("n",), count=True))
    assert page.body == b'{"items":[{"_id":"d2","n":2},{"_id":"d1","n":1}],"next":null,"count":2}'
    total = await bundoc.aggregate(CALLER, "posts", Aggregation(b'{"n":{"$sum":"n"}}'))
    assert total.body == b'{"items":[{"n":3}]}'
    with pytest.raises(UniqueViolation) as violation:
        await bundoc.put(CALLER, "posts", "d9", b'{"n":1}', NO_PRECONDITION)
    assert violation.value.extra["index"] == "n"
    with pytest.raises(InvalidQuery) as invalid:
        await bundoc.query(CALLER, "posts", Query(b'{"n":{"$near":1}}'))
    assert invalid.value.extra["path"] == "/where/n/$near"

    assert [one.name for one in await bundoc.collections(CALLER)] == ["posts"]
    assert (await bundoc.collection(CALLER, "posts")).documents == 3
    await bundoc.drop_collection(CALLER, "posts")
    with pytest.raises(CollectionNotFound):
        await bundoc.collection(CALLER, "posts")


@pytest.mark.parametrize("caller", [publishable_caller("prj_a"), member_caller("prj_a"), ANYONE])
async def test_without_rules_only_the_secret_key_is_let_in(bundoc: Bundoc, caller: Caller) -> None:
    refused: type[Problem] = DocumentNotFound if caller.kind is CallerKind.PUBLISHABLE else RuleDenied
    for one in (
        bundoc.get(caller, "posts", "d1"),
        bundoc.patch(caller, "posts", "d1", b"{}", NO_PRECONDITION),
        bundoc.delete(caller, "posts", "d1", NO_PRECONDITION),
    ):
        with pytest.raises(refused):
            await one
    calls = (
        bundoc.create(caller, "posts", b"{}"),
        bundoc.put(caller, "posts", "d1", b"{}", NO_PRECONDITION),
        bundoc.list(caller, "posts", 20, None),
        bundoc.commit(caller, b'{"writes":[{"op":"create","collection":"posts","data":{}}]}'),
        bundoc.changes(caller, 0, 20, 0.0),
        bundoc.query(caller, "posts", Query()),
        bundoc.aggregate(caller, "posts", Aggregation(b'{"n":{"$count":true}}')),
    )

    for call in calls:
        with pytest.raises(RuleDenied):
            await call


@pytest.mark.parametrize("caller", [publishable_caller("prj_a"), ANYONE])
async def test_collections_are_shown_to_nobody_else(bundoc: Bundoc, caller: Caller) -> None:
    calls = (
        bundoc.collections(caller),
        bundoc.collection(caller, "posts"),
        bundoc.put_collection(caller, "posts", CollectionSpec(())),
        bundoc.drop_collection(caller, "posts"),
    )

    for call in calls:
        with pytest.raises(RuleDenied):
            await call


async def test_members_manage_collections_as_far_as_their_role_goes(bundoc: Bundoc) -> None:
    member, viewer = member_caller("prj_a"), msgspec.structs.replace(member_caller("prj_a"), role=Role.VIEWER)

    made = await bundoc.put_collection(member, "posts", CollectionSpec(rules=Rules(get="true"), expires="ends"))
    altered = await bundoc.put_collection(member, "posts", CollectionSpec((IndexSpec(("n",)),)))

    assert (altered.rules, altered.expires) == (made.rules, "ends")
    assert [one.name for one in await bundoc.collections(viewer)] == ["posts"]
    assert (await bundoc.collection(viewer, "posts")).rules == Rules(get="true")
    with pytest.raises(Forbidden):
        await bundoc.put_collection(viewer, "posts", CollectionSpec(()))
    with pytest.raises(Forbidden):
        await bundoc.drop_collection(viewer, "posts")


async def test_a_rule_that_cannot_work_is_refused(bundoc: Bundoc) -> None:
    with pytest.raises(InvalidRule) as refused:
        await bundoc.put_collection(CALLER, "posts", CollectionSpec(rules=Rules(list="next.a == 1")))

    assert refused.value.extra["rule"] == "list"


async def test_rules_decide_for_publishable_keys(bundoc: Bundoc) -> None:
    ada, eve = (publishable_caller("prj_a", EndUser(uid, None, "user", {}, "s")) for uid in ("ada", "eve"))
    explained = msgspec.structs.replace(eve, explain=True)
    owner = "auth.uid == doc.owner"
    rules = Rules(list=owner, get=owner, create="next.owner == auth.uid", hidden={"n": "auth.uid == doc.owner"})
    await bundoc.put_collection(CALLER, "posts", CollectionSpec(rules=rules))

    made = await bundoc.create(ada, "posts", b'{"_id":"d1","owner":"ada","n":1}')
    listed = await bundoc.list(ada, "posts", 10, None)

    assert made.body.endswith(b'"owner":"ada"}')
    assert listed.body == b'{"items":[' + made.body + b'],"next":null}'
    assert (await bundoc.list(eve, "posts", 10, None)).body == b'{"items":[],"next":null}'
    with pytest.raises(RuleDenied):
        await bundoc.patch(ada, "posts", "d1", b"{}", NO_PRECONDITION)
    with pytest.raises(DocumentNotFound) as denied:
        await bundoc.get(explained, "posts", "d1")
    assert denied.value.extra["trace"][-1]["value"] is False


async def test_rules_are_tried_out(bundoc: Bundoc) -> None:
    case = b'{"collection":"posts","op":"get","auth":{"uid":"ada"},"doc":{"a":1},"rules":{"get":"doc.a == 1"}}'

    found = msgspec.json.decode((await bundoc.test_rules(CALLER, case)).body)

    assert (found["allowed"], found["trace"][-1]["expr"]) == (True, "doc.a == 1")


async def test_two_projects_never_see_each_other(bundoc: Bundoc) -> None:
    await bundoc.put(CALLER, "posts", "d1", b'{"a":1}', NO_PRECONDITION)
    other = secret_caller("prj_b")

    with pytest.raises(DocumentNotFound):
        await bundoc.get(other, "posts", "d1")
    assert (await bundoc.list(other, "posts", 20, None)).body == b'{"items":[],"next":null}'


async def test_a_dropped_project_is_refused_by_its_key(bundoc: Bundoc, kms: FakeKms, tmp_path: Path) -> None:
    await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)
    await kms.destroy("prj_a")

    await bundoc.drop_project("prj_a")
    await bundoc.drop_project("prj_a")

    assert not (tmp_path / "bundoc" / "prj_a").exists()
    with pytest.raises(KeyDestroyed):
        await bundoc.get(CALLER, "posts", "d1")


async def test_operations_are_counted_by_their_outcome(bundoc: Bundoc) -> None:
    await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)
    with pytest.raises(DocumentNotFound):
        await bundoc.get(CALLER, "posts", "d2")

    text = metrics_text().decode()
    assert 'bundoc_ops_total{op="put",outcome="ok"}' in text
    assert 'bundoc_ops_total{op="get",outcome="document_not_found"}' in text
    assert "bundoc_active_instances 1.0" in text


async def test_documents_outlive_the_process_that_wrote_them(tmp_path: Path, kms: FakeKms) -> None:
    rooms = Rooms({Kms: kms})
    async with opened(MODULE, rooms, site(tmp_path)) as bundoc:
        written = await bundoc.put(CALLER, "posts", "d1", b'{"a":1}', NO_PRECONDITION)

    async with opened(MODULE, rooms, site(tmp_path)) as bundoc:
        assert (await bundoc.get(CALLER, "posts", "d1")).body == written.body
