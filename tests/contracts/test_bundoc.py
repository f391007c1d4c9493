"""The contract of Bundoc holds in this process and behind an internal port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bunbase.bundoc.module import MODULE
from bunbase.contracts.bundoc.backups import BackupJobNotFound, BackupNotFound, BackupSchedule, ImportMode, JobState
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, MisfitQuery, Rules
from bunbase.contracts.bundoc.documents import (
    NO_PRECONDITION,
    Aggregation,
    Commit,
    CommitResult,
    Highlight,
    Precondition,
    Query,
)
from bunbase.contracts.bundoc.problems import (
    CollectionNotFound,
    CollectionReferenced,
    DocumentExists,
    DocumentNotFound,
    DocumentReferenced,
    DocumentTooLarge,
    InvalidDocument,
    InvalidQuery,
    InvalidSchema,
    InvalidUpdate,
    NotYet,
    ResyncRequired,
    RuleDenied,
    StaleRevision,
    UniqueViolation,
)
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import KeyDestroyed, Kms
from bunbase.contracts.caller import Caller, CallerKind, EndUser, Role
from bunbase.contracts.idempotency import IdempotencyMismatch
from bunbase.contracts.storage import Storage
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput, Malformed, Problem, Unauthenticated
from bunbase.pkg.metrics import metrics_text
from bunbase.pkg.modules import Rooms
from bunbase.pkg.ndjson import ImportLine
from bunbase.pkg.rules.refusal import InvalidRule
from tests.bundoc.backups.backed_up import NoFiles, ended
from tests.fakes import FakeKms
from tests.rooms import ANYONE, member_caller, opened, publishable_caller, secret_caller, site

CALLER = secret_caller("prj_a")


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture(params=["local", "remote"])
async def bundoc(request: pytest.FixtureRequest, tmp_path: Path, kms: FakeKms) -> AsyncIterator[Bundoc]:
    async with opened(MODULE, Rooms({Kms: kms, Storage: NoFiles()}), site(tmp_path), request.param) as service:
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


async def test_put_returns_whether_it_created_the_document(bundoc: Bundoc) -> None:
    first = await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)
    second = await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)

    assert (first.created, second.created) == (True, False)


async def test_a_write_with_an_idempotency_key_is_done_once(bundoc: Bundoc) -> None:
    await bundoc.put(CALLER, "posts", "d1", b'{"n":0}', NO_PRECONDITION)
    commit = b'{"writes":[{"op":"patch","collection":"posts","id":"d1","data":{"$inc":{"n":1}}}]}'

    done = [await bundoc.commit(CALLER, commit, "key") for _ in range(2)]
    created = [await bundoc.create(CALLER, "posts", b"{}", "other") for _ in range(2)]
    deleted = [await bundoc.delete(CALLER, "posts", created[0].id, NO_PRECONDITION, "third") for _ in range(2)]

    assert done[0].commit == done[1].commit == Commit(2, (CommitResult("d1", 2),))
    assert created[0].id == created[1].id
    receipts = [*(one.written for one in done), *(one.written for one in created), *deleted]
    assert [one.replayed for one in receipts if one] == [False, True] * 3
    with pytest.raises(IdempotencyMismatch):
        await bundoc.create(CALLER, "posts", b'{"a":1}', "other")


async def test_a_visitor_needs_a_key_that_no_other_visitor_has_by_chance(bundoc: Bundoc) -> None:
    visitor, user = (publishable_caller("prj_a", one) for one in (None, EndUser("eve", None, "user", {}, "s")))
    await bundoc.put_collection(CALLER, "notes", CollectionSpec(rules=Rules(create="true")))

    with pytest.raises(InvalidInput):
        await bundoc.create(visitor, "notes", b"{}", "1")
    made = [await bundoc.create(visitor, "notes", b"{}", f"a-random-key-of-16-{number}") for number in (1, 2, 2)]

    assert len({one.id for one in made}) == 2
    assert (await bundoc.create(user, "notes", b"{}", "1")).id not in {one.id for one in made}


async def test_a_read_has_the_state_of_an_earlier_write(bundoc: Bundoc) -> None:
    written = (await bundoc.put(CALLER, "posts", "d1", b'{"n":0}', NO_PRECONDITION)).written
    assert written is not None
    seq = written.seq

    pages = [
        await bundoc.list(CALLER, "posts", 10, None, seq),
        await bundoc.query(CALLER, "posts", Query(), seq),
        await bundoc.aggregate(CALLER, "posts", Aggregation(b'{"n":{"$count":true}}'), seq),
    ]

    assert all(b'"n":' in page.body for page in pages)
    assert (await bundoc.get(CALLER, "posts", "d1", (), seq)).written is None
    with pytest.raises(NotYet):
        await bundoc.list(CALLER, "posts", 10, None, "ab.1")


async def test_problems_of_bundoc_keep_their_class_over_http(bundoc: Bundoc) -> None:
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


async def test_a_schema_checks_documents_and_protects_referenced_ones(bundoc: Bundoc) -> None:
    author = {"type": "string", "x-ref": "users", "x-on-delete": "restrict"}
    schema = {"required": ["price"], "properties": {"author": author, "price": {"multipleOf": 0.01}}}
    made = await bundoc.put_collection(CALLER, "posts", CollectionSpec(schema=schema, strict=True))
    await bundoc.put(CALLER, "users", "ada", b'{"name":"Ada"}', NO_PRECONDITION)
    await bundoc.put(CALLER, "posts", "d1", b'{"author":"ada","price":19.99}', NO_PRECONDITION)

    assert (made.schema, made.strict, made.indexes[0].system) == (schema, True, True)
    for body, path in ((b'{"price":0.001}', "/price"), (b'{"price":1,"author":"bob"}', "/author"), (b"{}", "/price")):
        with pytest.raises(InvalidDocument) as invalid:
            await bundoc.put(CALLER, "posts", "d1", body, NO_PRECONDITION)
        assert invalid.value.extra["errors"][0]["path"] == path
    with pytest.raises(DocumentReferenced) as referenced:
        await bundoc.delete(CALLER, "users", "ada", NO_PRECONDITION)
    assert referenced.value.extra == {"collection": "posts", "field": "author"}
    with pytest.raises(CollectionReferenced):
        await bundoc.drop_collection(CALLER, "users")
    with pytest.raises(InvalidSchema) as refused:
        await bundoc.put_collection(CALLER, "posts", CollectionSpec(schema={"type": "array"}))
    assert refused.value.extra["errors"][0]["path"] == "/type"


async def test_expand_adds_the_referenced_document(bundoc: Bundoc) -> None:
    schema = {"properties": {"author": {"type": "string", "x-ref": "users"}}}
    await bundoc.put_collection(CALLER, "posts", CollectionSpec(schema=schema))
    await bundoc.put(CALLER, "users", "ada", b'{"name":"Ada"}', NO_PRECONDITION)
    await bundoc.put(CALLER, "posts", "d1", b'{"author":"ada"}', NO_PRECONDITION)

    one = await bundoc.get(CALLER, "posts", "d1", ("author",))
    page = await bundoc.query(CALLER, "posts", Query(expand=("author",)))

    assert msgspec.json.decode(one.body)["_expand"]["author"]["name"] == "Ada"
    assert msgspec.json.decode(page.body)["items"] == [msgspec.json.decode(one.body)]


async def test_misfits_lists_documents_that_violate_a_schema_before_it_is_saved(bundoc: Bundoc) -> None:
    await bundoc.put(CALLER, "posts", "d1", b'{"title":1}', NO_PRECONDITION)

    found = await bundoc.misfits(CALLER, "posts", MisfitQuery(schema={"properties": {"title": {"type": "string"}}}))

    (misfit,) = found.items
    assert (misfit.id, misfit.errors[0]["path"], found.examined, found.next) == ("d1", "/title", 1, None)
    with pytest.raises(CollectionNotFound):
        await bundoc.misfits(CALLER, "nothing", MisfitQuery())
    with pytest.raises(RuleDenied):
        await bundoc.misfits(publishable_caller("prj_a"), "posts", MisfitQuery())


async def test_a_commit_writes_several_documents_and_appears_in_the_changes(bundoc: Bundoc) -> None:
    create = '{"op":"create","collection":"posts","id":"d1","data":{"n":1.50}}'
    count = '{"op":"patch","collection":"posts","id":"d1","data":{"$inc":{"n":1}},"if_rev":1}'

    done = await bundoc.commit(CALLER, f'{{"writes":[{create},{count}]}}'.encode())
    with pytest.raises(StaleRevision) as stale:
        await bundoc.commit(CALLER, f'{{"writes":[{count}]}}'.encode())
    with pytest.raises(InvalidUpdate):
        await bundoc.patch(CALLER, "posts", "d1", b'{"$inc":{"n":"1"}}', NO_PRECONDITION)

    assert done.commit == Commit(2, (CommitResult("d1", 1), CommitResult("d1", 2)))
    assert stale.value.extra["write"] == 0
    assert (await bundoc.get(CALLER, "posts", "d1")).body.endswith(b'"n":2.5}')
    changes = await bundoc.changes(CALLER, 0, 1, 0.0)
    assert [(one.seq, one.op, one.id) for one in changes.items] == [(1, "create", "d1")]
    assert (await bundoc.changes(CALLER, 2, 10, 0.01)).items == ()
    with pytest.raises(ResyncRequired):
        await bundoc.changes(CALLER, 3, 10, 0.0)


async def test_a_change_has_the_trigger_depth_of_its_caller(bundoc: Bundoc) -> None:
    deep = msgspec.structs.replace(CALLER, depth=7)

    await bundoc.put(deep, "posts", "d1", b"{}", NO_PRECONDITION)
    await bundoc.patch(CALLER, "posts", "d1", b'{"n":1}', NO_PRECONDITION)
    await bundoc.commit(deep, b'{"writes":[{"op":"patch","collection":"posts","id":"d1","data":{"n":2}}]}')
    await bundoc.delete(deep, "posts", "d1", NO_PRECONDITION)

    assert [one.depth for one in (await bundoc.changes(CALLER, 0, 10, 0.0)).items] == [7, 0, 7, 7]


async def test_the_pages_of_a_list_contain_every_document_once(bundoc: Bundoc) -> None:
    for number in range(25):
        await bundoc.put(CALLER, "posts", f"d{number:02}", b"{}", NO_PRECONDITION)

    found, cursor = [], None
    for _ in range(3):
        page = msgspec.json.decode((await bundoc.list(CALLER, "posts", 10, cursor)).body)
        found += [item["_id"] for item in page["items"]]
        cursor = page["next"]

    assert found == [f"d{number:02}" for number in range(25)]
    assert cursor is None


async def test_queries_aggregates_and_indexes_work_in_both_topologies(bundoc: Bundoc) -> None:
    made = await bundoc.put_collection(CALLER, "posts", CollectionSpec((IndexSpec(("n",), unique=True),)))
    assert made.indexes[0].ready
    for number in range(3):
        await bundoc.put(CALLER, "posts", f"d{number}", b'{"n":%d}' % number, NO_PRECONDITION)

    page = await bundoc.query(CALLER, "posts", Query(b'{"n":{"$gt":0}}', sort=("-n",), select=("n",), count=True))
    assert page.body == b'{"items":[{"_id":"d2","n":2},{"_id":"d1","n":1}],"next":null,"count":2}'
    total = await bundoc.aggregate(CALLER, "posts", Aggregation(b'{"n":{"$sum":"n"}}'))
    assert total.body == b'{"items":[{"n":3}],"next":null}'
    with pytest.raises(UniqueViolation) as violation:
        await bundoc.put(CALLER, "posts", "d9", b'{"n":1}', NO_PRECONDITION)
    assert violation.value.extra["index"] == "n"
    with pytest.raises(InvalidQuery) as invalid:
        await bundoc.query(CALLER, "posts", Query(b'{"n":{"$near":1}}'))
    assert invalid.value.extra["path"] == "/where/n/$near"

    words = IndexSpec(("title",), type="text", weights={"title": 2.0}, where={"n": {"$gte": 0}})
    made = await bundoc.put_collection(CALLER, "posts", CollectionSpec((words,)), wait=True)
    assert (made.indexes[0].weights, made.indexes[0].where) == ({"title": 2.0}, {"n": {"$gte": 0}})
    await bundoc.put(CALLER, "posts", "d3", b'{"n":3,"title":"A fox"}', NO_PRECONDITION)
    sought = Query(b'{"$search":"fox","n":3}', select=("n",), highlight=Highlight(("title",)))
    page = await bundoc.query(CALLER, "posts", sought)
    assert page.body == b'{"items":[{"_id":"d3","n":3,"_highlights":{"title":"A <mark>fox</mark>"}}],"next":null}'
    await bundoc.delete(CALLER, "posts", "d3", NO_PRECONDITION)

    assert [one.name for one in await bundoc.collections(CALLER)] == ["posts"]
    assert (await bundoc.collection(CALLER, "posts")).documents == 3
    await bundoc.drop_collection(CALLER, "posts")
    with pytest.raises(CollectionNotFound):
        await bundoc.collection(CALLER, "posts")


@pytest.mark.parametrize("caller", [publishable_caller("prj_a"), ANYONE])
async def test_without_rules_only_the_secret_key_and_members_may_use_documents(bundoc: Bundoc, caller: Caller) -> None:
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
async def test_publishable_keys_and_anonymous_callers_may_not_use_collections(bundoc: Bundoc, caller: Caller) -> None:
    calls = (
        bundoc.collections(caller),
        bundoc.collection(caller, "posts"),
        bundoc.put_collection(caller, "posts", CollectionSpec(())),
        bundoc.drop_collection(caller, "posts"),
    )

    for call in calls:
        with pytest.raises(RuleDenied):
            await call


async def test_members_manage_collections_within_their_role(bundoc: Bundoc) -> None:
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


async def test_a_list_rule_that_reads_next_is_refused(bundoc: Bundoc) -> None:
    with pytest.raises(InvalidRule) as refused:
        await bundoc.put_collection(CALLER, "posts", CollectionSpec(rules=Rules(list="next.a == 1")))

    assert refused.value.extra["rule"] == "list"


async def test_backups_are_made_verified_restored_and_deleted_in_both_topologies(bundoc: Bundoc) -> None:
    owner = member_caller("prj_a")
    await bundoc.put(CALLER, "posts", "d1", b'{"a":1}', NO_PRECONDITION)

    made = await ended(bundoc, owner, await bundoc.create_backup(owner))
    listed = await bundoc.backups(owner, 20, None)
    verified = await ended(bundoc, owner, await bundoc.verify_backup(owner, made.backup))
    await bundoc.delete(CALLER, "posts", "d1", NO_PRECONDITION)
    restored = await ended(bundoc, owner, await bundoc.restore_backup(owner, owner, made.backup))

    assert [made.state, verified.state, restored.state] == [JobState.DONE] * 3
    assert listed.items == (await bundoc.backup(owner, made.backup),)
    assert (await bundoc.get(CALLER, "posts", "d1")).body.endswith(b'"a":1}')
    assert (await bundoc.set_backup_schedule(owner, BackupSchedule(1, 2))).own
    assert (await bundoc.backup_schedule(owner)).kept == 2
    await bundoc.delete_backup(owner, made.backup)
    with pytest.raises(BackupNotFound):
        await bundoc.backup(owner, made.backup)
    with pytest.raises(BackupJobNotFound):
        await bundoc.backup_job(owner, "job_unknown")
    with pytest.raises(Forbidden):
        await bundoc.restore_backup(member_caller("prj_a", Role.DEVELOPER), owner, made.backup)


async def test_documents_are_imported_and_exported_in_both_topologies(bundoc: Bundoc) -> None:
    lines = (ImportLine(1, b'{"_id":"d1"}'), ImportLine(2, b"{"), ImportLine(3, b'{"_id":"d2"}'))

    done = await bundoc.import_documents(CALLER, "posts", ImportMode.CREATE, lines)
    exported = [part.lines async for part in bundoc.export_documents(CALLER, "posts", "d1")]

    assert (done.imported, done.failed, done.last_line) == (2, 1, 3)
    assert [(error.line, error.code) for error in done.errors] == [(2, "malformed_request")]
    assert b"".join(exported).startswith(b'{"_id":"d2",')
    with pytest.raises(CollectionNotFound):
        await anext(bundoc.export_documents(CALLER, "nothing", ""))
    with pytest.raises(RuleDenied):
        await bundoc.import_documents(publishable_caller("prj_a"), "posts", ImportMode.SKIP, ())


async def test_rules_allow_and_deny_requests_with_publishable_keys(bundoc: Bundoc) -> None:
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


async def test_a_rule_can_be_tested_with_a_given_document(bundoc: Bundoc) -> None:
    case = b'{"collection":"posts","op":"get","auth":{"uid":"ada"},"doc":{"a":1},"rules":{"get":"doc.a == 1"}}'

    found = msgspec.json.decode((await bundoc.test_rules(CALLER, case)).body)

    assert (found["allowed"], found["trace"][-1]["expr"]) == (True, "doc.a == 1")


async def test_a_project_does_not_see_documents_of_another_project(bundoc: Bundoc) -> None:
    await bundoc.put(CALLER, "posts", "d1", b'{"a":1}', NO_PRECONDITION)
    other = secret_caller("prj_b")

    with pytest.raises(DocumentNotFound):
        await bundoc.get(other, "posts", "d1")
    assert (await bundoc.list(other, "posts", 20, None)).body == b'{"items":[],"next":null}'


async def test_a_dropped_project_has_no_files_and_its_documents_are_refused(
    bundoc: Bundoc, kms: FakeKms, tmp_path: Path
) -> None:
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
    assert 'bunbase_bundoc_ops_total{op="put",outcome="ok"}' in text
    assert 'bunbase_bundoc_ops_total{op="get",outcome="document_not_found"}' in text
    assert 'bunbase_bundoc_kms_fetches_total{outcome="ok"}' in text
    assert "bunbase_bundoc_active_instances 1.0" in text
    for histogram in ("commit_writes", "commit_bytes", "commit_seconds"):
        assert f"bundoc_{histogram}_count" in text


async def test_a_data_key_is_rotated_by_admins_and_seen_by_members(bundoc: Bundoc) -> None:
    await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)

    begun = await bundoc.rotate_data_key(member_caller("prj_a", Role.ADMIN))
    async with asyncio.timeout(10):
        while (state := await bundoc.data_key(member_caller("prj_a", Role.VIEWER))).rotating:
            await asyncio.sleep(0.005)

    assert (begun.since, begun.failed) == (None, None)
    assert state.since is not None
    assert (state.version, state.failed) == (1, None)
    assert (await bundoc.get(CALLER, "posts", "d1")).rev == 1
    with pytest.raises(Forbidden):
        await bundoc.rotate_data_key(member_caller("prj_a", Role.DEVELOPER))
    for caller in (CALLER, ANYONE, publishable_caller("prj_a")):
        with pytest.raises((Forbidden, Unauthenticated)):
            await bundoc.data_key(caller)


async def test_a_call_that_waits_for_changes_returns_at_the_next_change(bundoc: Bundoc) -> None:
    waiting = asyncio.create_task(bundoc.changes(CALLER, 0, 10, 30.0))
    await asyncio.sleep(0)

    await bundoc.put(CALLER, "posts", "d1", b"{}", NO_PRECONDITION)

    async with asyncio.timeout(10):
        assert [one.id for one in (await waiting).items] == ["d1"]


async def test_documents_survive_a_restart(tmp_path: Path, kms: FakeKms) -> None:
    rooms = Rooms({Kms: kms, Storage: NoFiles()})
    async with opened(MODULE, rooms, site(tmp_path)) as bundoc:
        written = await bundoc.put(CALLER, "posts", "d1", b'{"a":1}', NO_PRECONDITION)

    async with opened(MODULE, rooms, site(tmp_path)) as bundoc:
        assert (await bundoc.get(CALLER, "posts", "d1")).body == written.body
