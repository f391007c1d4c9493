"""Rules in reads and writes of documents: the rights of each caller, and the answers to refusals."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Precondition, Query
from bunbase.contracts.bundoc.problems import (
    BundocBusy,
    DocumentExists,
    DocumentNotFound,
    InvalidUpdate,
    QueryTooSlow,
    RuleDenied,
    StaleRevision,
    UniqueViolation,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg import effort
from bunbase.pkg.errors import InvalidInput, Problem
from tests.bundoc.permissions.asking import (
    ADA,
    ADMIN,
    EVE,
    NOBODY,
    OWNERS,
    SERVER,
    C,
    body,
    fields_of,
    listed,
    put,
    refusal,
    ruled,
)


async def test_an_owner_reads_and_writes_only_own_documents(service: BundocService) -> None:
    await ruled(service, OWNERS)

    made = await service.create(ADA, C, b'{"_id":"a","owner":"ada","n":1}')
    await service.patch(ADA, C, "a", b'{"$inc":{"n":1}}', Precondition(rev=made.rev))
    replaced = await service.put(ADA, C, "a", b'{"owner":"ada","n":5}', NO_PRECONDITION)
    done = await service.commit(ADA, b'{"writes":[{"op":"check","collection":"posts","id":"a","if_rev":3}]}')

    assert await fields_of(service, "a", ADA) == {"owner": "ada", "n": 5}
    assert (replaced.rev, done.commit.results[0].rev) == (3, 3)
    await service.delete(ADA, C, "a", Precondition(rev=3))
    assert await listed(service, SERVER) == []


async def test_a_denied_get_looks_like_a_missing_document(service: BundocService) -> None:
    await ruled(service, OWNERS)
    await put(service, "a", owner="ada")

    denied = await refusal(service.get(EVE, C, "a"))
    missing = await refusal(service.get(ADA, C, "gone"))
    no_rule = await refusal(service.get(ADA, "without_rules", "a"))

    assert type(denied) is type(missing) is type(no_rule) is DocumentNotFound
    assert denied.detail == "There is no document a in posts."
    assert missing.detail == denied.detail.replace(" a ", " gone ")
    assert denied.extra == missing.extra == {}


@pytest.mark.parametrize("dev", [True, False])
async def test_a_publishable_key_does_not_learn_which_collections_exist(service: BundocService, dev: bool) -> None:
    service.rights.dev = dev
    await service.put_collection(SERVER, "there", CollectionSpec(()))

    for ask in (
        lambda name: service.list(ADA, name, 10, None),
        lambda name: service.query(ADA, name, Query()),
        lambda name: service.aggregate(ADA, name, Aggregation(b'{"n":{"$count":true}}')),
        lambda name: service.get(ADA, name, "a"),
        lambda name: service.create(ADA, name, b"{}"),
        lambda name: service.put(ADA, name, "a", b"{}", NO_PRECONDITION),
        lambda name: service.patch(ADA, name, "a", b"{}", NO_PRECONDITION),
        lambda name: service.delete(ADA, name, "a", NO_PRECONDITION),
    ):
        there, gone = await refusal(ask("there")), await refusal(ask("gone"))
        assert there.code == gone.code in ("rule_denied", "document_not_found")
        assert there.detail.replace("there", "gone") == gone.detail

    assert [one.name for one in await service.collections(SERVER)] == ["there"]


# These are the answers to denied writes. The caller `see` may get the document, and the caller `blind` may not.
DENIED_WRITES = [
    ("create", "new", RuleDenied, RuleDenied),
    ("create", "there", RuleDenied, RuleDenied),
    ("put", "new", RuleDenied, RuleDenied),
    ("put", "there", RuleDenied, RuleDenied),
    ("put_stale", "there", RuleDenied, RuleDenied),
    ("patch", "new", DocumentNotFound, DocumentNotFound),
    ("patch", "there", RuleDenied, DocumentNotFound),
    ("patch_stale", "new", StaleRevision, StaleRevision),
    ("patch_stale", "there", RuleDenied, StaleRevision),
    ("impossible", "there", InvalidUpdate, DocumentNotFound),
    ("delete", "new", DocumentNotFound, DocumentNotFound),
    ("delete", "there", RuleDenied, DocumentNotFound),
    ("delete_stale", "there", RuleDenied, StaleRevision),
    ("check", "new", StaleRevision, StaleRevision),
    ("check", "there", StaleRevision, StaleRevision),
]


def tried(service: BundocService, caller: Caller, op: str, id: str) -> Any:
    stale = Precondition(rev=7)
    match op:
        case "create":
            return service.create(caller, C, body({"_id": id}))
        case "put" | "put_stale":
            return service.put(caller, C, id, b"{}", stale if op == "put_stale" else NO_PRECONDITION)
        case "patch" | "patch_stale":
            return service.patch(caller, C, id, b'{"a":2}', stale if op == "patch_stale" else NO_PRECONDITION)
        case "impossible":
            return service.patch(caller, C, id, b'{"$inc":{"text":1}}', NO_PRECONDITION)
        case "delete" | "delete_stale":
            return service.delete(caller, C, id, stale if op == "delete_stale" else NO_PRECONDITION)
        case _:
            return service.commit(caller, body({"writes": [{"op": "check", "collection": C, "id": id, "if_rev": 7}]}))


@pytest.mark.parametrize(("op", "id", "seeing", "blind"), DENIED_WRITES)
async def test_a_denied_write_to_a_hidden_document_is_answered_like_one_to_a_missing_document(
    service: BundocService, op: str, id: str, seeing: type[Problem], blind: type[Problem]
) -> None:
    await ruled(service, Rules(get="auth.uid == 'ada'"))
    await put(service, "there", text="secret")

    assert type(await refusal(tried(service, ADA, op, id))) is seeing
    to_blind = await refusal(tried(service, EVE, op, id))

    assert type(to_blind) is blind
    in_empty = await refusal(tried(service, EVE, op.replace("impossible", "patch"), "nothing_here"))
    assert to_blind.detail.replace(id, "nothing_here") == in_empty.detail
    assert to_blind.extra == in_empty.extra
    assert await fields_of(service, "there") == {"text": "secret"}


async def test_a_check_of_a_hidden_document_is_answered_like_one_of_a_missing_document(
    service: BundocService,
) -> None:
    await ruled(service, OWNERS)
    await put(service, "a", owner="ada")
    writes = {"writes": [{"op": "check", "collection": C, "id": "a", "if_rev": 0}]}

    done = await service.commit(EVE, body(writes))

    assert done.commit.results[0].rev == 0
    assert await fields_of(service, "a", ADA) == {"owner": "ada"}


async def test_a_writer_without_read_access_does_not_learn_the_revision(service: BundocService) -> None:
    await ruled(service, Rules(create="true", update="true", delete="true"))
    await put(service, "a", secret=1)

    for refused in (
        service.patch(EVE, C, "a", b'{"b":1}', Precondition(rev=7)),
        service.put(EVE, C, "a", b"{}", Precondition(rev=7)),
        service.put(EVE, C, "a", b"{}", Precondition(absent=True)),
        service.delete(EVE, C, "a", Precondition(rev=7)),
    ):
        problem = await refusal(refused)
        assert isinstance(problem, StaleRevision)
        assert "rev" not in problem.extra
        assert "1" not in problem.detail
    assert type(await refusal(service.create(EVE, C, b'{"_id":"a"}'))) is DocumentExists


async def test_the_answer_to_a_write_holds_only_fields_that_the_writer_may_read(service: BundocService) -> None:
    await ruled(service, Rules(create="true", update="true"))
    made = await service.create(EVE, C, b'{"_id":"a","text":"mine"}')
    changed = await service.patch(EVE, C, "a", b'{"more":1}', NO_PRECONDITION)
    await ruled(service, Rules(get="true", update="true", hidden={"salary": "auth.role != 'admin'"}))
    await put(service, "b", salary=9, open=1)

    patched = await service.patch(EVE, C, "b", b'{"open":2}', NO_PRECONDITION)

    for answer in (made, changed):
        assert set(msgspec.json.decode(answer.body)) == {"_id", "_rev", "_created", "_updated"}
    assert b"salary" not in patched.body
    assert await fields_of(service, "b") == {"salary": 9, "open": 2}


@pytest.mark.parametrize(
    ("rule", "most"),
    [
        ("auth.role == 'admin' || doc._id == auth.uid", 0),
        ("doc.owner == auth.uid", 1 << 17),
        ("exists('posts', doc._id) && doc.owner == auth.uid", 1 << 17),
    ],
)
async def test_a_denied_document_is_not_decoded(
    service: BundocService, monkeypatch: pytest.MonkeyPatch, rule: str, most: int
) -> None:
    """A large document took 9 ms to decode and a change of threads, so the time of a denial showed that it exists."""
    await ruled(service, Rules(get=rule))
    await put(service, "a", owner="ada", items=[{"n": n} for n in range(80_000)])
    noted: list[int] = []
    snapshots: list[Any] = []
    monkeypatch.setattr(effort, "counting", noted.append)
    monkeypatch.setattr(service.engine, "snapshot", snapshots.append)

    denied = await refusal(service.get(EVE, C, "a"))

    assert type(denied) is DocumentNotFound
    assert sum(noted) <= most
    assert not snapshots


async def test_a_write_that_is_stored_is_not_answered_as_failed(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow rules run in a thread, which may time out. If a timeout caused an error, the caller would write again."""

    async def busy(*_args: Any) -> Any:
        raise BundocBusy("Too many queries run at once.", retry_after_seconds=1)

    await ruled(service, Rules(create="true", get="size(doc) > 0"))
    monkeypatch.setattr(service.engine, "snapshot", busy)

    created = await service.create(ADA, C, body({"t": "x" * (100 << 10)}))

    assert created.created
    assert set(msgspec.json.decode(created.body)) == {"_id", "_rev", "_created", "_updated"}


async def test_the_error_of_an_update_does_not_reveal_hidden_fields(service: BundocService) -> None:
    await ruled(service, Rules(get="true", update="true", hidden={"salary": "auth.role != 'admin'"}))
    await put(service, "a", salary="much")
    update = b'{"$inc":{"salary":1}}'

    assert type(await refusal(service.patch(EVE, C, "a", update, NO_PRECONDITION))) is RuleDenied
    assert type(await refusal(service.patch(ADMIN, C, "a", update, NO_PRECONDITION))) is InvalidUpdate


@pytest.mark.parametrize(
    ("short", "long"),
    [
        # the first value is lost in rounding, and the second value is not
        ({"$inc": {"pay": 1e-13}}, {"$inc": {"pay": 1e-9}}),
        ({"$mul": {"pay": 1}}, {"$mul": {"pay": 0}}),
        ({"$push": {"tags": {"$each": [], "$slice": 3}}}, {"$push": {"tags": {"$each": [], "$slice": 2}}}),
        ({"$unset": {"tags.3": ""}}, {"$unset": {"tags.2": ""}}),
        ({"$unset": {"pay.cents": ""}}, {"$unset": {"card.number": ""}}),
        ({"$pop": {"none": 1}}, {"$pop": {"tags": 1}}),
        ({"$pull": {"tags": "z"}}, {"$pull": {"tags": "a"}}),
        ({"$addToSet": {"tags": "a"}}, {"$addToSet": {"tags": "z"}}),
        ({"$max": {"pay": 4000}}, {"$max": {"pay": 6000}}),
    ],
)
@pytest.mark.parametrize("sees", [True, False])
async def test_whether_an_operator_has_an_effect_on_a_hidden_field_is_not_revealed(
    service: BundocService, short: dict[str, Any], long: dict[str, Any], sees: bool
) -> None:
    """The first update of each pair changes nothing, which the rule alone would allow."""
    hidden = dict.fromkeys(("pay", "tags", "none", "card.number"), "true")
    only_title = "next.diff(doc).affectedKeys().hasOnly(['title'])"
    await ruled(service, Rules(get="true" if sees else None, update=only_title, hidden=hidden))
    await put(service, "a", title="clerk", pay=5000, tags=["a", "b", "c"], card={"number": 1})

    refused = [await refusal(service.patch(EVE, C, "a", body(one), NO_PRECONDITION)) for one in (short, long)]

    assert {type(one) for one in refused} == {RuleDenied if sees else DocumentNotFound}
    both = body({"$set": {"title": "chief"}, **short})
    assert await refusal(service.patch(EVE, C, "a", both, NO_PRECONDITION))


async def test_operators_on_hidden_fields_work_again_and_again_if_the_rule_allows_changes(
    service: BundocService,
) -> None:
    rules = Rules(get="true", update="auth.uid in next.voters && next.n >= doc.n", hidden={"voters": "true"})
    await ruled(service, rules)
    await put(service, "a", n=1, voters=[])

    for _ in range(2):
        await service.patch(EVE, C, "a", b'{"$addToSet":{"voters":"eve"},"$inc":{"n":0}}', NO_PRECONDITION)

    assert await fields_of(service, "a") == {"n": 1, "voters": ["eve"]}


async def test_a_unique_index_does_not_name_another_document(service: BundocService) -> None:
    await ruled(service, Rules(create="true"), IndexSpec(("email",), "email", unique=True))
    await put(service, "secret_id", email="a@example.com")

    single = await refusal(service.create(EVE, C, b'{"email":"a@example.com"}'))
    writes = {"writes": [{"op": "create", "collection": C, "data": {"email": "a@example.com"}}]}
    in_commit = await refusal(service.commit(EVE, body(writes)))

    assert isinstance(single, UniqueViolation)
    assert isinstance(in_commit, UniqueViolation)
    assert in_commit.extra["write"] == 0
    assert "secret_id" not in single.detail + in_commit.detail


async def test_a_commit_is_atomic_and_its_rules_see_its_earlier_writes(service: BundocService) -> None:
    await ruled(service, Rules(create="exists('teams', next.team)", get="true"))
    await ruled(service, Rules(create="auth != null"), collection="teams")
    team = {"op": "create", "collection": "teams", "id": "red", "data": {}}
    post = {"op": "create", "collection": C, "id": "p", "data": {"team": "red"}}

    refused = await refusal(service.commit(ADA, body({"writes": [post, team]})))
    done = await service.commit(ADA, body({"writes": [team, post]}))

    assert (type(refused), refused.extra) == (RuleDenied, {"write": 0})
    assert [one.rev for one in done.commit.results] == [1, 1]


async def test_rules_apply_as_soon_as_they_are_saved(service: BundocService) -> None:
    await ruled(service, Rules(get="true", list="true"))
    await put(service, "a")
    assert await listed(service, NOBODY) == ["a"]

    await service.put_collection(SERVER, C, CollectionSpec(rules=None))

    assert isinstance(await refusal(service.get(NOBODY, C, "a")), DocumentNotFound)
    assert isinstance(await refusal(service.list(NOBODY, C, 10, None)), RuleDenied)


async def test_a_rule_that_would_run_too_long_denies_in_bounded_time(service: BundocService) -> None:
    loops = "doc.many.all(a, doc.many.all(b, doc.many.all(c, a + b + c >= 0)))"
    await ruled(service, Rules(get=loops, list=f"{loops} || true", update=loops))
    await put(service, "a", many=list(range(300)))

    assert isinstance(await refusal(service.get(ADA, C, "a")), DocumentNotFound)
    assert isinstance(await refusal(service.patch(ADA, C, "a", b"{}", NO_PRECONDITION)), DocumentNotFound)


async def test_the_rules_of_a_commit_share_one_budget(service: BundocService) -> None:
    loops = "doc.many.all(a, doc.many.all(b, a + b >= 0))"
    await ruled(service, Rules(get="true", update=loops))
    await put(service, "a", many=list(range(100)))
    write = {"op": "patch", "collection": C, "id": "a", "data": {}}

    refused = await refusal(service.commit(ADA, body({"writes": [write] * 500})))

    assert isinstance(refused, InvalidInput)
    assert refused.extra["write"] > 1
    assert (await service.get(ADA, C, "a")).rev == 1


async def test_a_list_whose_rules_take_too_long_is_refused_and_never_cut_short(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.bundoc.service.rights.SCAN_STEPS", 100_000)
    loops = "doc.many.all(a, doc.many.all(b, a + b >= 0))"
    await ruled(service, Rules(list=loops))
    for number in range(10):
        await put(service, f"d{number}", many=list(range(100)))

    assert isinstance(await refusal(service.query(ADA, C, Query(count=True))), QueryTooSlow)
