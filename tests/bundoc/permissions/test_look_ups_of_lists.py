"""Look-ups of a list rule whose key has one value for the whole query happen once, and indexes serve the rest."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import msgspec
import pytest

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.permissions.listing import narrow
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules, RuleWarning
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.caller import Caller
from tests.bundoc.permissions.asking import ADA, EVE, NOBODY, SERVER, C, asked, put, ruled, user
from tests.bundoc.whole.drawn import empty_connection, kept
from tests.seeds import seeds

NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
MEMBER: Final = 'exists("members", doc.room + "_" + auth.uid)'
ROLE: Final = 'get("members", doc.room + "_" + auth.uid).role in ["owner", "moderator"]'
IN_RED: Final = b'{"room":"red"}'
NEWEST: Final = IndexSpec(("room", "-_created"), "by_room")


async def chat(service: BundocService, rule: str, *indexes: IndexSpec) -> None:
    """Store messages of two rooms. Ada is the owner of red, and Eve is a member of blue."""
    await ruled(service, Rules(list=rule), *indexes)
    await put(service, "red_ada", "members", role="owner")
    await put(service, "blue_eve", "members", role="member")
    for number in range(4):
        await put(service, f"r{number}", room="red", author="ada", n=number)
        await put(service, f"b{number}", room="blue", author="eve", n=number)


async def explained(service: BundocService, caller: Caller, where: bytes = IN_RED, **query: Any) -> dict[str, Any]:
    plan: dict[str, Any] = await asked(
        service, SERVER, where=where, explain=True, explain_as=caller.user, count=True, **query
    )
    return plan


async def test_a_look_up_whose_key_the_filter_fixes_happens_once_and_an_index_serves_the_list(
    service: BundocService,
) -> None:
    await chat(service, MEMBER, NEWEST)

    page = await explained(service, ADA, sort=("-_created",), limit=2)

    assert [one["_id"] for one in page["items"]] == ["r3", "r2"]
    assert page["count"] == 4
    assert page["explain"]["index"] == "by_room"
    assert page["explain"]["ordered_by_index"] is True
    assert page["explain"]["rule"] == {"left_over": [], "looked_up": [{"expr": MEMBER, "value": True}]}
    assert "warnings" not in page["explain"]


async def test_nothing_is_examined_for_a_caller_whom_the_look_up_denies(service: BundocService) -> None:
    await chat(service, MEMBER)

    denied = [await explained(service, EVE), await explained(service, NOBODY)]
    allowed = await explained(service, ADA)

    for page in denied:
        assert (page["items"], page["count"], page["explain"]["examined"]) == ([], 0, 0)
        assert page["explain"]["rule"] == {"left_over": [], "looked_up": [{"expr": MEMBER, "value": False}]}
    assert allowed["explain"]["examined"] > 0


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        (MEMBER, True),
        (ROLE, True),
        (f"{ROLE} && doc.author == auth.uid", True),
        (f'auth.role == "admin" || {MEMBER}', True),
        (f"doc.author == auth.uid || {MEMBER}", True),
        (f"auth != null && {MEMBER} && {ROLE}", True),
        ('auth.uid in get("rooms", doc.room).people', False),
        (f"!{MEMBER}", False),
        ('exists("members", "red_" + auth.uid)', True),
        ('exists("members", "blue_" + auth.uid)', False),
    ],
)
async def test_an_index_serves_each_rule_whose_look_ups_the_filter_fixes(
    service: BundocService, rule: str, seen: bool
) -> None:
    await chat(service, rule, NEWEST, IndexSpec(("author",)))

    page = await explained(service, ADA)

    assert len(page["items"]) == (4 if seen else 0)
    assert page["explain"]["rule"]["left_over"] == []
    assert not seen or page["explain"]["index"] in ("by_room", "author")


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        (MEMBER, b"{}"),
        (MEMBER, b'{"room":{"$in":["red","blue"]}}'),
        (MEMBER, b'{"room":{"$gte":"red"}}'),
        (MEMBER, b'{"$or":[{"room":"red"},{"n":1}]}'),
        (MEMBER, b'{"author":"ada"}'),
        ('exists("members", doc.room + "_" + doc.author)', IN_RED),
        ('exists("members", doc.room + "_ada")', IN_RED),  # this look-up depends on no user (see docs/decisions/0113)
        ('exists("members", string(doc.n) + auth.uid) || doc.room == "red"', b'{"n":1}'),
        ('["red"].exists(r, exists("members", doc.room + "_" + auth.uid))', IN_RED),
    ],
)
async def test_a_look_up_that_the_filter_does_not_fix_is_evaluated_for_each_document(
    service: BundocService, rule: str, where: bytes
) -> None:
    await chat(service, rule, NEWEST)

    page = await explained(service, ADA, where)

    assert len(page["items"]) > 0
    assert len(page["explain"]["rule"]["left_over"]) == 1
    assert page["explain"]["rule"]["looked_up"] == []


COLORS: Final = 'exists("colors", doc.color)'


@pytest.mark.parametrize(
    "part",
    [
        f'{COLORS} || auth.role == "admin"',
        f'auth.role == "admin" || {COLORS} || doc.color + auth.uid == "x"',
        f'auth.role == "admin" ? true : {COLORS}',
        f"{COLORS} == (auth != null)",
        f'[{COLORS}, auth.uid == "ada"] == [true, true]',
        'get("colors", doc.color).open == (auth != null)',
        'get("colors", doc.color).open || auth.uid == "nobody"',
        'exists("colors", auth.uid == "ada" ? doc.color : "x")',
        'get("colors", get("colors", doc.color).next).owner == auth.uid || doc.n == 1',
    ],
)
async def test_no_caller_asks_about_any_document_by_a_rule_that_mentions_the_user_elsewhere(
    service: BundocService, part: str
) -> None:
    """A look-up before the search would answer for each color, also one that no document of the collection has."""
    await ruled(service, Rules(list=f"({part}) && doc.owner == auth.uid"), IndexSpec(("color",)))
    for color in ("red", "blue"):
        await put(service, color, "colors", open=True, next=color, owner="ada")
    await put(service, "mine", color="red", owner="ada", n=1)
    await put(service, "hers", color="red", owner="eve", n=1)

    pages = [await explained(service, ADA, b'{"color":"%s"}' % color) for color in (b"red", b"blue", b"green")]

    assert [len(page["items"]) for page in pages] == [1, 0, 0]
    for page in pages:
        assert page["explain"]["rule"]["looked_up"] == []
        assert page["explain"]["index"] != "color"


@pytest.mark.parametrize(
    "part",
    [
        '!exists("bans", doc.room + "_" + auth.uid)',
        'exists("bans", doc.room + "_" + auth.uid) == false',
        'exists("bans", doc.room + "_" + auth.uid) ? false : true',
    ],
)
async def test_a_part_that_nearly_every_room_fulfils_is_looked_up_once_but_chooses_no_index(
    service: BundocService, part: str
) -> None:
    """An index on the room would read messages of other people, and the duration would reveal their number."""
    await ruled(service, Rules(list=f"({part}) && doc.author == auth.uid"), IndexSpec(("room",)))
    await put(service, "red_eve", "bans")
    await put(service, "listed", room=["red"], author="ada")
    for number in range(3):
        await put(service, f"a{number}", room="red", author="ada")
        await put(service, f"e{number}", room="red", author="eve")

    seen, banned = await explained(service, ADA), await explained(service, EVE)

    assert ([one["_id"] for one in seen["items"]], seen["count"]) == (["a0", "a1", "a2"], 3)
    assert seen["explain"]["rule"] == {"left_over": [], "looked_up": [{"expr": f"({part})", "value": True}]}
    assert seen["explain"]["index"] != "room"
    assert (banned["items"], banned["count"], banned["explain"]["examined"]) == ([], 0, 0)


async def test_a_document_with_a_list_is_denied_as_before(service: BundocService) -> None:
    """The filter finds a list that contains the room, but the key of the look-up cannot be made from a list."""
    await chat(service, f"{MEMBER} || doc.open == true")
    await put(service, "listed", room=["red"])
    await put(service, "open", room=["red", "blue"], open=True)

    page = await asked(service, ADA, where=IN_RED, count=True)

    assert [one["_id"] for one in page["items"]] == ["open", "r0", "r1", "r2", "r3"]
    assert page["count"] == 5


async def test_a_look_up_that_a_list_may_pass_is_evaluated_for_each_document(service: BundocService) -> None:
    rule = 'exists("members", (doc.room == "red" ? "blue_" : "red_") + auth.uid)'
    await chat(service, rule)
    await put(service, "listed", room=["red"])

    page = await asked(service, ADA, where=IN_RED)

    assert [one["_id"] for one in page["items"]] == ["listed"]


async def test_aggregates_and_searches_by_words_use_the_settled_rule(service: BundocService) -> None:
    covering = IndexSpec(("room", "n"))
    await chat(service, MEMBER, covering, IndexSpec(("text",), type="text"))
    await put(service, "fox", room="red", text="a fox", n=9)
    await put(service, "hen", room="blue", text="a fox", n=9)
    values = b'{"total":{"$sum":"n"},"count":{"$count":true}}'

    summed = await service.aggregate(ADA, C, Aggregation(values, where=IN_RED))
    denied = await service.aggregate(EVE, C, Aggregation(values, where=IN_RED))
    found = await asked(service, ADA, where=b'{"$search":"fox","room":"red"}', count=True)

    assert msgspec.json.decode(summed.body)["items"] == [{"total": 15, "count": 5}]
    assert msgspec.json.decode(denied.body)["items"] == [{"total": 0, "count": 0}]
    assert ([one["_id"] for one in found["items"]], found["count"]) == (["fox"], 1)


async def test_a_rule_that_fixes_the_key_itself_needs_no_filter(service: BundocService) -> None:
    await chat(service, f'doc.room == "red" && {MEMBER}', NEWEST)

    page = await explained(service, ADA, b"{}")

    assert [one["_id"] for one in page["items"]] == ["r0", "r1", "r2", "r3"]
    assert page["explain"]["rule"]["left_over"] == []


async def test_a_cursor_shows_nothing_after_the_membership_has_ended(service: BundocService) -> None:
    await chat(service, MEMBER, NEWEST)
    first = await asked(service, ADA, where=IN_RED, sort=("-_created",), limit=2)
    await service.delete(SERVER, "members", "red_ada", NO_PRECONDITION)
    later = {"where": IN_RED, "sort": ("-_created",), "limit": 2, "cursor": first["next"], "count": True}

    ended = await asked(service, ADA, **later)
    await put(service, "red_ada", "members")
    again = await asked(service, ADA, **later)

    assert (ended["items"], ended["next"], ended["count"]) == ([], None, 0)
    assert ([one["_id"] for one in again["items"]], again["count"]) == (["r1", "r0"], 4)


async def test_a_warning_about_a_part_that_excludes_users_names_no_field_to_set(service: BundocService) -> None:
    """An index on the room would not serve the rule."""
    rules = Rules(list='!exists("bans", doc.room + "_" + auth.uid)')

    collection = await service.put_collection(SERVER, C, CollectionSpec(rules=rules))

    assert collection.warnings is not None
    (warning,) = collection.warnings
    assert isinstance(warning, RuleWarning)
    assert warning.index is None
    assert "No index can serve a look-up" in warning.detail


async def test_the_look_up_reads_the_state_of_the_search(service: BundocService) -> None:
    await chat(service, MEMBER, NEWEST)
    before = await asked(service, EVE, where=IN_RED)
    await put(service, "red_eve", "members", role="member")

    after = await asked(service, EVE, where=IN_RED)

    assert (len(before["items"]), len(after["items"])) == (0, 4)


ROOMS: Final = ("a", "b", "", "a_u")
KEYS: Final = (
    *(
        "doc.room + '_' + auth.uid",
        "doc.room + '_' + auth.uid",
        "auth.uid + '_' + doc.room",
        "doc.room",
        "string(doc.room) + '_' + auth.uid",
    ),
    *("lowerAscii(doc.o.p) + '_' + auth.uid", "doc.o.p + '_' + doc.room + auth.uid", "'a_' + auth.uid", "doc._id"),
    *("(doc.flag ? 'a_' : doc.room) + auth.uid", "string(doc.flag) + auth.uid", "string(doc.n) + '_' + auth.uid"),
)
PARTS: Final = (
    *("exists('members', {0})", "get('members', {0}).role == 'owner'", "get('members', {0}).role == doc.room"),
    *("!exists('members', {0})", "auth.uid in get('members', {0}).people", "has(get('members', {0}).role)"),
    *("(auth.role == 'admin' || exists('members', {0}))", "get('members', {0}).people.exists(p, p == auth.uid)"),
    *("(exists('members', {0}) || doc.open == true)", "(exists('members', {0}) ? doc.open == true : true)"),
)
OTHERS: Final = ("doc.open == true", "doc.room == 'a'", "auth != null", "size(doc.room) > 0", "doc.n > 0", "doc.flag")
WHERES: Final[tuple[dict[str, Any], ...]] = (
    *(
        {"room": "a"},
        {"room": "a", "flag": True},
        {"room": ""},
        {"room": "b", "flag": True},
        {"o.p": "a"},
        {"o.p": "a", "room": "b"},
    ),
    *({"flag": False}, {"room": {"$in": ["a"]}}, {"room": None}, {"n": 1}, {}, {"_id": "d03"}, {"room": ["a"]}),
    *({"$and": [{"room": "a"}, {"room": "b"}]}, {"o": "a", "o.p": "a"}, {"room": {"$ne": "a"}}),
)


class Members:
    """Draws messages, memberships and rules that look the memberships up."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def stored(self, number: int) -> StoredDocument:
        fields = {
            name: self.random.choice(values)
            for name, values in {
                "room": (*ROOMS, ["a"], ["a", "b"], [["a"]], None, 1, {"p": "a"}),
                "o": ({"p": "a"}, {"p": ["a"]}, [{"p": "a"}], "a", {"p": "A"}, None),
                "flag": (True, False, [True], None),
                "open": (True, False, [True]),
                "n": (1, 1.0, 2, [1], "1"),
            }.items()
            if self.random.random() < 0.85
        }
        body = msgspec.json.encode(fields)
        return StoredDocument(f"d{number:02}", 1, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", body)

    def members(self) -> dict[str, StoredDocument]:
        keys = [f"{room}_u" for room in ROOMS] + [f"u_{room}" for room in ROOMS]
        keys += ["a", "b", "trueu", "falseu", "1_u", "1.0_u", "a_bu", "d03"]
        found: dict[str, StoredDocument] = {}
        for id in keys:
            if self.random.random() < 0.5:
                body = msgspec.json.encode({"role": self.random.choice(("owner", "a", 1)), "people": ["u"]})
                found[id] = StoredDocument(id, 1, "", "", body)
        return found

    def rule(self, depth: int = 0) -> str:
        if depth < 2 and self.random.random() < 0.5:
            sign = self.random.choice(("&&", "||"))
            return f"({self.rule(depth + 1)} {sign} {self.rule(depth + 1)})"
        if self.random.random() < 0.3:
            return self.random.choice(OTHERS)
        return self.random.choice(PARTS).format(self.random.choice(KEYS))

    def index(self, number: int) -> IndexSpec:
        return IndexSpec(tuple(self.random.sample(("room", "o.p", "flag", "open", "n", "-_created"), 2)), f"i{number}")


def ids_of(connection: Any, table: Table, search: Search, members: dict[str, StoredDocument]) -> list[Any]:
    """Return the results of a page, a count and an aggregate."""

    def lookup(_collection: str, id: str) -> StoredDocument | None:
        return members.get(id)

    settled = search.settled(lookup)
    if settled.nothing:
        return [[], 0, []]
    one = Searching(connection, table, settled, lookup)
    found = one.found()
    apart = msgspec.structs.replace(settled, reads=Reads(apart=True), limit=0, count=False)
    rows = sorted(row.id or "" for row in Searching(connection, table, apart, lookup).rows())
    return [[each.id for each in found.items], found.count, rows]


def is_settled(search: Search, members: dict[str, StoredDocument]) -> bool:
    return search.settled(lambda _collection, id: members.get(id)).settlement is not None


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(3))
def test_a_list_is_equal_with_and_without_the_replaced_look_ups(seed: int) -> None:
    draw, connection = Members(seed), empty_connection()
    table = kept(connection, [draw.stored(number) for number in range(40)], [draw.index(n) for n in range(3)])
    replaced = 0
    for _, where in itertools.product(range(8), WHERES):
        rule, members = draw.rule(), draw.members()
        for caller in (NOBODY, user("u")):
            access = Access(caller, C, RuleSet(Rules(list=rule)), NOW, Budget(1 << 60))
            order = parse_sort(draw.random.choice(((), ("-_created",), ("room",))))
            search = Search(where=parse_where(msgspec.json.encode(where)), order=order, limit=100, count=True)
            ruled_search = narrow(search, access, access.about("list"))
            if ruled_search.nothing:
                continue

            slowly = ids_of(connection, table, msgspec.structs.replace(ruled_search, settle=None), members)

            assert ids_of(connection, table, ruled_search, members) == slowly, (rule, where, members.keys())
            replaced += is_settled(ruled_search, members)
    assert replaced > 0
    connection.close()


async def test_a_refused_query_advises_the_index_that_serves_the_settled_rule(service: BundocService) -> None:
    await ruled(service, Rules(list=MEMBER))
    await put(service, "red_ada", "members")
    await service.put_collection(SERVER, C, CollectionSpec(max_scan=3))
    for number in range(5):
        await put(service, f"r{number}", room="red", n=number)

    with pytest.raises(QueryNeedsIndex) as refused:
        await service.query(ADA, C, Query(where=IN_RED, sort=("n",)))

    assert refused.value.extra["index"] == {"fields": ["room", "n"]}
