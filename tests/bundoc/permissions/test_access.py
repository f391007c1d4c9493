"""Rules in all operations on documents: the rights of each caller, the visible data, and the answers to refusals."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Precondition, Query
from bunbase.contracts.bundoc.problems import (
    BundocBusy,
    DocumentExists,
    DocumentNotFound,
    InvalidQuery,
    InvalidUpdate,
    QueryNeedsIndex,
    QueryTooSlow,
    RuleDenied,
    StaleRevision,
    UniqueViolation,
)
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.errors import InvalidInput, Problem
from tests.rooms import publishable_caller, secret_caller

SERVER = secret_caller("prj_a")
NOBODY = publishable_caller("prj_a")
C = "posts"


def user(uid: str, role: str = "user", **claims: Any) -> Caller:
    return publishable_caller("prj_a", EndUser(uid, f"{uid}@example.com", role, claims, "s"))


ADA, EVE, ADMIN = user("ada"), user("eve"), user("root", role="admin")


async def ruled(service: BundocService, rules: Rules, *indexes: IndexSpec, collection: str = C) -> None:
    await service.put_collection(SERVER, collection, CollectionSpec(indexes, rules=rules))


async def put(service: BundocService, id: str, collection: str = C, **fields: Any) -> None:
    await service.put(SERVER, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)


def body(fields: Any) -> bytes:
    return msgspec.json.encode(fields)


async def fields_of(service: BundocService, id: str, caller: Caller = SERVER) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((await service.get(caller, C, id)).body)
    return {name: value for name, value in found.items() if not name.startswith("_")}


async def asked(service: BundocService, caller: Caller, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = msgspec.json.decode((await service.query(caller, C, Query(**query))).body)
    return page


async def listed(service: BundocService, caller: Caller) -> list[str]:
    page = msgspec.json.decode((await service.list(caller, C, 100, None)).body)
    return [item["_id"] for item in page["items"]]


async def refusal(awaitable: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await awaitable
    return caught.value


OWNERS = Rules(
    list="auth.uid == doc.owner",
    get="auth.uid == doc.owner",
    create="next.owner == auth.uid",
    update="doc.owner == auth.uid && next.owner == doc.owner",
    delete="doc.owner == auth.uid",
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
    service.dev = dev
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


# the answers to denied writes: the caller `see` may get the document, the caller `blind` may not
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


async def test_a_write_that_is_stored_is_not_answered_as_failed(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow rules run in a thread, which may time out. An error would make the caller write again."""

    async def busy(*_args: Any) -> Any:
        raise BundocBusy("Too many queries run at once.", retry_after_seconds=1)

    await ruled(service, Rules(create="true", get="true"))
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
        ({"$inc": {"pay": 1e-13}}, {"$inc": {"pay": 1e-9}}),  # is rounded away, or not
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


async def test_without_a_list_rule_lists_queries_and_aggregates_are_refused(service: BundocService) -> None:
    await ruled(service, Rules(get="true"))

    for refused in (
        service.list(ADA, C, 10, None),
        service.query(ADA, C, Query()),
        service.aggregate(ADA, C, Aggregation(b'{"n":{"$count":true}}')),
    ):
        assert type(await refusal(refused)) is RuleDenied


async def test_a_filter_that_contradicts_the_list_rule_finds_nothing_within_any_budget(service: BundocService) -> None:
    service.bound = msgspec.structs.replace(service.bound, documents=5)
    await ruled(service, Rules(list='doc.owner in [auth.uid, "all"]'))
    for number in range(8):
        await put(service, f"d{number}", owner="ada", n=number)
    await put(service, "e", owner="eve")
    await put(service, "both", owner=["ada", "eve"])

    found = await asked(service, ADA, where=b'{"owner":"eve"}', sort=("-n",), count=True)
    listed = await asked(service, ADA, where=b'{"owner":{"$in":["eve","bob"]}}', count=True)
    counted = await service.aggregate(ADA, C, Aggregation(b'{"n":{"$sum":"n"}}', b'{"owner":"eve"}'))
    own = await refusal(service.query(ADA, C, Query(where=b'{"owner":"ada"}', sort=("n",))))

    assert found == listed == {"items": [], "next": None, "count": 0}
    assert msgspec.json.decode(counted.body)["items"] == [{"n": 0}]
    assert isinstance(own, QueryNeedsIndex)


@pytest.mark.parametrize(
    ("rule", "named"), [('auth.uid in get("teams", doc.team).members', True), ("auth.uid == doc.owner", False)]
)
async def test_the_refusal_of_a_slow_list_names_a_rule_that_no_index_serves(
    service: BundocService, monkeypatch: pytest.MonkeyPatch, rule: str, named: bool
) -> None:
    async def slow(*_: object) -> None:
        raise QueryTooSlow("Reading took too long.")

    await ruled(service, Rules(list=rule))
    for name in ("search", "fold", "explain"):
        monkeypatch.setattr(service.engine, name, slow)

    queried = await refusal(service.query(ADA, C, Query()))
    counted = await refusal(service.aggregate(ADA, C, Aggregation(b'{"n":{"$sum":"n"}}')))

    assert [type(one) for one in (queried, counted)] == [QueryTooSlow] * 2
    assert [str(one).endswith("compare it with == or in.") for one in (queried, counted)] == [named] * 2


async def test_lists_counts_pages_and_aggregates_hold_only_documents_of_the_caller(service: BundocService) -> None:
    await ruled(service, OWNERS)
    for number in range(30):
        await put(service, f"d{number:02}", owner="ada" if number % 3 else "eve", n=number)

    first = await asked(service, EVE, sort=("-n",), limit=6, count=True)
    rest = await asked(service, EVE, sort=("-n",), limit=6, cursor=first["next"])
    grouped = await service.aggregate(EVE, C, Aggregation(b'{"n":{"$count":true}}', group=("owner",)))

    assert first["count"] == 10
    assert [item["n"] for item in first["items"] + rest["items"]] == list(range(27, -1, -3))
    assert rest["next"] is None
    assert msgspec.json.decode(grouped.body) == {"items": [{"owner": "eve", "n": 10}], "next": None}
    assert await listed(service, EVE) == [f"d{number:02}" for number in range(0, 30, 3)]
    assert await asked(service, NOBODY, count=True) == {"items": [], "next": None, "count": 0}
    counted = await service.aggregate(NOBODY, C, Aggregation(b'{"n":{"$count":true}}'))
    assert msgspec.json.decode(counted.body) == {"items": [{"n": 0}], "next": None}


async def test_the_part_of_a_rule_that_sql_cannot_express_is_evaluated_for_each_document(
    service: BundocService,
) -> None:
    rule = "size(doc.tags) > 1 && auth.uid in get('teams', doc.team).members"
    await ruled(service, Rules(list=rule, get=rule))
    await service.put(SERVER, "teams", "red", b'{"members":["ada"]}', NO_PRECONDITION)
    await service.put(SERVER, "teams", "blue", b'{"members":["eve"]}', NO_PRECONDITION)
    for number in range(12):
        await put(service, f"d{number:02}", team="red" if number % 2 else "blue", tags=["x"] * (number % 3))

    page = await asked(service, ADA, sort=("-_id",), limit=1, count=True)

    assert ([item["_id"] for item in page["items"]], page["count"]) == (["d11"], 2)
    assert await listed(service, ADA) == ["d05", "d11"]
    assert await listed(service, EVE) == ["d02", "d08"]


async def test_hidden_fields_are_in_no_answer(service: BundocService) -> None:
    hidden = {"email": "doc.owner != auth.uid", "notes.private": "auth.role != 'admin'"}
    await ruled(service, Rules(list="true", get="true", hidden=hidden))
    await put(service, "a", owner="ada", email="a@x", notes={"private": 1, "open": 2})
    await put(service, "b", owner="eve", email="e@x", notes={"private": 1, "open": 2})

    page = await asked(service, ADA)
    picked = await asked(service, ADA, select=("email", "notes.private"))

    assert [(item.get("email"), item["notes"]) for item in page["items"]] == [("a@x", {"open": 2}), (None, {"open": 2})]
    assert [set(item) for item in picked["items"]] == [{"_id", "email", "notes"}, {"_id", "notes"}]
    assert b"private" not in (await service.list(ADA, C, 10, None)).body
    assert b"private" not in (await service.get(ADA, C, "a")).body
    assert (await fields_of(service, "a", ADMIN))["notes"] == {"private": 1, "open": 2}


QUERIES_ON_HIDDEN: list[dict[str, Any]] = [
    {"where": {"email": "a@x"}},
    {"where": {"$or": [{"n": 1}, {"$nor": [{"email": {"$startsWith": "a"}}]}]}},
    {"where": {"notes": {"$exists": True}}},
    {"where": {"notes.private.deep": 1}},
    {"where": {"notes": {"$elemMatch": {"private": 1}}}},
    {"sort": ("-email",)},
]


@pytest.mark.parametrize("query", QUERIES_ON_HIDDEN)
async def test_no_query_reveals_a_hidden_field_by_its_results(service: BundocService, query: dict[str, Any]) -> None:
    hidden = {"email": "doc.owner != auth.uid", "notes.private": "auth.role != 'admin'"}
    await ruled(service, Rules(list="true", hidden=hidden))
    asking = Query(body(query["where"]) if "where" in query else None, query.get("sort", ()))

    refused = await refusal(service.query(ADA, C, asking))

    assert isinstance(refused, InvalidQuery)
    assert await service.query(SERVER, C, asking)


async def test_aggregates_refuse_fields_that_are_hidden_from_the_caller(service: BundocService) -> None:
    await ruled(service, Rules(list="true", hidden={"salary": "auth.role != 'admin'"}))
    await put(service, "a", salary=9, job="x")
    total = b'{"total":{"$sum":"salary"}}'

    assert isinstance(await refusal(service.aggregate(ADA, C, Aggregation(total))), InvalidQuery)
    grouped = Aggregation(b'{"n":{"$count":true}}', group=("salary",))
    assert isinstance(await refusal(service.aggregate(ADA, C, grouped)), InvalidQuery)
    found = await service.aggregate(ADMIN, C, Aggregation(total))
    assert msgspec.json.decode(found.body) == {"items": [{"total": 9}], "next": None}


async def test_explain_is_refused_to_callers_bound_by_rules(service: BundocService) -> None:
    await ruled(service, OWNERS)

    assert isinstance(await refusal(service.query(ADA, C, Query(explain=True))), RuleDenied)


async def test_explain_as_a_user_tells_which_index_serves_the_rule_and_the_rest(
    service: BundocService,
) -> None:
    rule = "doc.owner == auth.uid && size(doc.job) > 1"
    await service.put_collection(SERVER, C, CollectionSpec((IndexSpec(("owner",)),), Rules(list=rule)))
    await put(service, "a", owner="ada", job="long")
    await put(service, "b", owner="ada", job="x")
    await put(service, "c", owner="eve", job="long")
    assert ADA.user is not None

    page = msgspec.json.decode((await service.query(SERVER, C, Query(explain=True, explain_as=ADA.user))).body)
    asking = msgspec.structs.replace(ADA, explain=True)  # X-Bunbase-Explain has shown that a member asks
    by_user = msgspec.json.decode((await service.query(asking, C, Query(explain=True))).body)
    nobody = msgspec.json.decode((await service.query(SERVER, C, Query(explain=True, explain_as=None))).body)

    assert [one["_id"] for one in page["items"]] == ["a"]
    (warning,) = page["explain"].pop("warnings")
    assert warning["from_documents"] == 10_000
    assert by_user["explain"].pop("warnings") == [warning]
    assert page["explain"] == {
        "index": "owner",
        "ordered_by_index": True,
        "examined": 1,
        "rule": {"left_over": ["size(doc.job) > 1"]},
    }
    assert by_user == page
    assert nobody["items"] == []


@pytest.mark.parametrize(
    ("caller", "query", "refused"),
    [
        (ADA, Query(explain=True, explain_as=None), RuleDenied),
        (SERVER, Query(explain_as=None), InvalidQuery),
        (SERVER, Query(explain=True, explain_as=None, expand=("owner",)), InvalidQuery),
    ],
)
async def test_only_a_server_or_member_explains_as_a_user_and_nothing_else(
    service: BundocService, caller: Caller, query: Query, refused: type[Problem]
) -> None:
    await ruled(service, OWNERS)

    assert isinstance(await refusal(service.query(caller, C, query)), refused)


async def test_in_dev_mode_a_denial_names_the_header_that_explains_it(engine: SqliteEngine) -> None:
    dev, production = BundocService(engine), BundocService(engine, dev=False)
    await ruled(dev, OWNERS)
    asking = msgspec.structs.replace(EVE, explain=True)

    denied = [
        await refusal(service.create(caller, C, body({"owner": "ada"})))
        for service, caller in ((dev, EVE), (production, EVE), (dev, asking))
    ]
    listed = await refusal(dev.list(EVE, "unruled", 10, None))

    assert ["X-Bunbase-Explain: true" in one.detail for one in (*denied, listed)] == [True, False, False, True]
    assert not any("secret key" in one.detail for one in (*denied, listed))


async def test_an_explanation_names_a_collection_that_does_not_exist(service: BundocService) -> None:
    await ruled(service, OWNERS)
    asking = msgspec.structs.replace(EVE, explain=True)

    refused = [
        await refusal(service.list(asking, "psots", 10, None)),
        await refusal(service.get(asking, "psots", "a")),
        await refusal(service.create(asking, "psots", b"{}")),
        await refusal(service.patch(asking, "psots", "a", b"{}", NO_PRECONDITION)),
    ]
    unasked = await refusal(service.get(EVE, "psots", "a"))

    assert {one.extra["trace"][0]["error"] for one in refused} == {"there is no collection psots, and so no rule"}
    assert unasked.extra == {}


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
    monkeypatch.setattr("bunbase.bundoc.service.SCAN_STEPS", 100_000)
    loops = "doc.many.all(a, doc.many.all(b, a + b >= 0))"
    await ruled(service, Rules(list=loops))
    for number in range(10):
        await put(service, f"d{number}", many=list(range(100)))

    assert isinstance(await refusal(service.query(ADA, C, Query(count=True))), QueryTooSlow)


async def test_the_reason_of_a_denial_is_shown_only_to_callers_who_may_know_it(service: BundocService) -> None:
    await ruled(service, OWNERS)
    await put(service, "a", owner="ada")
    asking = msgspec.structs.replace(EVE, explain=True)

    hidden = await refusal(service.get(asking, C, "a"))
    patched = await refusal(service.patch(asking, C, "a", b"{}", NO_PRECONDITION))
    created = await refusal(service.create(asking, C, b'{"owner":"ada"}'))
    await service.put_collection(SERVER, "nothing", CollectionSpec())
    no_rule = await refusal(service.list(asking, "nothing", 10, None))

    assert hidden.extra["rule"] == patched.extra["rule"] == "get"
    assert hidden.extra["trace"][-1] == {
        "expr": "auth.uid == doc.owner",
        "value": False,
        "line": 1,
        "column": 1,
    }
    assert (created.extra["rule"], created.extra["trace"][-1]["value"]) == ("create", False)
    assert no_rule.extra["trace"] == [{"expr": "list", "error": "there is no list rule, which denies"}]
    assert (await refusal(service.get(EVE, C, "a"))).extra == {}
