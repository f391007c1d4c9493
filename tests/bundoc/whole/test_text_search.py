"""Text search: matches, their order, their highlights, and an index that follows every write."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.filters import Compare
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.text import parse_text
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Highlight
from bunbase.contracts.bundoc.problems import DocumentExists, InvalidQuery, QueryNeedsIndex
from bunbase.pkg.errors import InvalidInput
from tests.bundoc.reading.test_queries import CALLER, C, ask, examined, put, walked

TEXT = IndexSpec(("title", "body.text", "tags"), "words", type="text", weights={"title": 4.0})

POSTS: dict[str, dict[str, Any]] = {
    "fox": {"title": "The quick brown fox", "body": {"text": "jumps over the lazy dog"}, "n": 1},
    "dog": {"title": "A dog’s life", "body": {"text": "A fox is quick, a dog is not."}, "n": 2},
    "café": {"title": "Café Müller", "tags": ["quick lunch", "brown bread"], "n": 3},
    "none": {"title": 7, "body": "no text here", "tags": [1, None, {"text": "fox"}], "n": 4},
}


@pytest.fixture
async def posts(service: BundocService) -> BundocService:
    await service.put_collection(CALLER, C, CollectionSpec((TEXT,)))
    for number, post in enumerate(POSTS.values()):
        await put(service, f"d{number}", post)
    return service


async def found(service: BundocService, sought: Any, **more: Any) -> list[int]:
    return [item["n"] for item in (await ask(service, {"$search": sought}, **more))["items"]]


@pytest.mark.parametrize(
    ("sought", "expected"),
    [
        ("fox", [1, 2]),
        ("FOX", [1, 2]),
        ("quick fox", [1, 2]),
        ('"quick brown"', [1]),
        ("fox -jumps", [2]),
        ("jum*", [1]),
        ("jum", []),
        ("cafe muller", [3]),
        ("lunch OR jumps", [1, 3]),
        ('"lunch brown"', []),
        ('"brown bread"', [3]),
        ("-fox", []),
        ("", []),
        ("…", []),
        ("7", []),
        ({"query": "fox", "fields": ["title"]}, [1]),
        ({"query": "brown", "fields": ["tags"], "index": "words"}, [3]),
        ({"query": "quick -lazy", "fields": ["title"]}, [1]),
    ],
)
async def test_a_search_finds_the_documents_that_hold_its_words(
    posts: BundocService, sought: Any, expected: list[int]
) -> None:
    assert sorted(await found(posts, sought)) == expected


async def test_a_search_may_be_combined_with_any_filter_and_order(posts: BundocService) -> None:
    assert await found(posts, "fox", sort=("-n",)) == [2, 1]
    page = await ask(posts, {"$search": "fox", "n": {"$gt": 1}}, count=True)
    assert [item["n"] for item in page["items"]] == [2]
    assert page["count"] == 1
    assert await examined(posts, {"$search": "fox"}) == ("words", 2)


async def test_the_best_matches_come_first_and_pages_continue(service: BundocService) -> None:
    await service.put_collection(CALLER, C, CollectionSpec((TEXT,)))
    for number in range(30):
        texts = {"title": "fox" if number % 3 == 0 else "hen", "body": {"text": "fox " * (number % 5 + 1)}}
        await put(service, f"d{number:02}", {**texts, "n": number})

    page = await ask(service, {"$search": "fox"}, limit=30, score=True)
    scores = [item["_score"] for item in page["items"]]
    ids = [item["_id"] for item in page["items"]]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1] > 0
    assert {item["title"] for item in page["items"][:10]} == {"fox"}
    assert await walked(service, {"$search": "fox"}, limit=4) == ids
    assert len(set(ids)) == 30


async def test_the_text_index_follows_every_write(posts: BundocService) -> None:
    await put(posts, "d0", {"title": "hen", "n": 1})
    assert await found(posts, "fox") == [2]
    assert await found(posts, "hen") == [1]

    await posts.delete(CALLER, C, "d1", NO_PRECONDITION)
    assert await found(posts, "fox") == []
    await put(posts, "d9", {"title": "fox", "n": 9})
    assert await found(posts, "fox") == [9]


async def test_a_refused_commit_leaves_no_words_in_the_text_index(posts: BundocService) -> None:
    steps: list[dict[str, Any]] = [
        {"op": "create", "collection": C, "id": "new", "data": {"title": "zebra", "n": 8}},
        {"op": "patch", "collection": C, "id": "d0", "data": {"title": "zebra"}},
        {"op": "create", "collection": C, "id": "d1", "data": {}},
    ]

    with pytest.raises(DocumentExists):
        await posts.commit(CALLER, msgspec.json.encode({"writes": steps}))

    assert await found(posts, "zebra") == []
    assert await found(posts, '"brown fox"') == [1]


async def test_documents_stored_before_the_text_index_are_found(service: BundocService) -> None:
    for number in range(450):
        await put(service, f"d{number:03}", {"title": f"word{number % 9} all", "n": number})

    await service.put_collection(CALLER, C, CollectionSpec((IndexSpec(("title",), type="text"),)))

    assert len(await walked(service, {"$search": "word7"}, limit=20)) == 50
    assert (await ask(service, {"$search": "all"}, count=True, limit=1))["count"] == 450


async def test_words_with_one_stem_match_if_the_index_asks_for_it(service: BundocService) -> None:
    await put(service, "d1", {"title": "Running foxes", "n": 1})
    await service.put_collection(
        CALLER, C, CollectionSpec((IndexSpec(("title",), "one", type="text", stemming="english"),))
    )

    assert await found(service, "run fox") == [1]
    page = await ask(service, {"$search": "fox"}, highlight=Highlight(("title",)))
    assert page["items"][0]["_highlights"] == {"title": "Running <mark>foxes</mark>"}


async def test_a_partial_text_index_serves_only_filters_that_imply_its_own(service: BundocService) -> None:
    spec = IndexSpec(("title",), "published", type="text", where={"public": True}, prefix=True)
    await service.put_collection(CALLER, C, CollectionSpec((spec,)))
    await put(service, "d1", {"title": "fox", "public": True, "n": 1})
    await put(service, "d2", {"title": "fox", "n": 2})

    page = await ask(service, {"$search": "fo*", "public": True})

    assert [item["n"] for item in page["items"]] == [1]
    with pytest.raises(QueryNeedsIndex):
        await found(service, "fox")
    await put(service, "d1", {"title": "fox", "public": False, "n": 1})
    assert (await ask(service, {"$search": "fo*", "public": True}))["items"] == []


async def test_the_refusal_of_a_search_names_the_missing_text_index(service: BundocService) -> None:
    await put(service, "d1", {"title": "fox"})

    with pytest.raises(QueryNeedsIndex) as refused:
        await ask(service, {"$search": {"query": "fox", "fields": ["name"]}})

    assert refused.value.extra["index"] == {"fields": ["name"], "type": "text"}


async def test_a_search_with_too_many_matches_is_refused_and_not_cut_off(engine: SqliteEngine) -> None:
    service = BundocService(engine, bound=Budgets(10), unbound=Budgets(10))
    await service.put_collection(CALLER, C, CollectionSpec((TEXT,)))
    for number in range(11):
        await put(service, f"d{number:02}", {"title": "fox", "n": number})

    with pytest.raises(QueryNeedsIndex, match="Add words"):
        await found(service, "fox")


async def test_aggregates_are_computed_over_the_results_of_a_search(posts: BundocService) -> None:
    values = b'{"total":{"$sum":"n"},"docs":{"$count":true}}'

    page = await posts.aggregate(CALLER, C, Aggregation(values, b'{"$search":"fox"}'))

    assert msgspec.json.decode(page.body)["items"] == [{"total": 3, "docs": 2}]


async def test_highlights_are_safe_to_show_and_short(service: BundocService) -> None:
    await service.put_collection(CALLER, C, CollectionSpec((TEXT,)))
    long = "<b>start</b> & " + "word " * 50 + "the FOX's end " + "more " * 50
    await put(service, "d1", {"title": "<script>fox</script>", "body": {"text": long}, "tags": ["hen", "a fox"]})

    page = await ask(
        service,
        {"$search": "fox"},
        select=("n",),
        highlight=Highlight(("title", "body.text", "tags", "gone"), "[", "]", 60),
    )

    (item,) = page["items"]
    shown = item["_highlights"]
    assert shown["title"] == "&lt;script&gt;[fox]&lt;/script&gt;"
    assert shown["tags"] == "a [fox]"
    assert shown["body.text"].startswith("…word")
    assert "[FOX]&#x27;s end" in shown["body.text"]
    assert shown["body.text"].endswith("more…")
    assert len(shown["body.text"]) < 80
    assert "gone" not in shown


@pytest.mark.parametrize(
    "more",
    [
        {"highlight": Highlight(())},
        {"highlight": Highlight(("title",), before="x" * 65)},
        {"highlight": Highlight(("title",), length=5)},
        {"highlight": Highlight(("a..b",))},
    ],
)
async def test_an_invalid_highlight_is_refused(posts: BundocService, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidQuery):
        await ask(posts, {"$search": "fox"}, **more)


async def test_scores_and_highlights_are_refused_without_a_search(posts: BundocService) -> None:
    for more in ({"score": True}, {"highlight": Highlight(("title",))}):
        with pytest.raises(InvalidQuery):
            await ask(posts, {"n": 1}, **more)


async def test_a_score_reveals_nothing_about_documents_that_a_rule_hides(engine: SqliteEngine) -> None:
    service = BundocService(engine)
    await service.put_collection(CALLER, C, CollectionSpec((TEXT,)))
    await put(service, "mine", {"title": "quick fox", "owner": "ada"})
    await put(service, "mine2", {"title": "fox", "body": {"text": "fox and hen"}, "owner": "ada"})
    search = Search(
        text=parse_text("fox OR quick"), by_score=True, count=True,
        also=Condition("json_extract(body, '$.owner') = ?", ("ada",)),
    )  # fmt: skip

    before = await engine.search(CALLER.project, C, search)
    for number in range(50):
        await put(service, f"other{number}", {"title": "fox fox", "owner": "eve"})
    after = await engine.search(CALLER.project, C, search)

    assert before.count == after.count == 2
    assert [one.id for one in before.items] == [one.id for one in after.items]
    assert before.scores == after.scores


async def test_the_condition_of_a_rule_may_use_document_columns_with_any_index(engine: SqliteEngine) -> None:
    service = BundocService(engine)
    await service.put_collection(CALLER, C, CollectionSpec((TEXT, IndexSpec(("n",), "by_n"))))
    await put(service, "d1", {"title": "fox", "n": 1})
    await put(service, "d2", {"title": "fox", "n": 1})
    also = Condition("id = ?", ("d1",))

    by_text = await engine.search(CALLER.project, C, Search(text=parse_text("fox"), by_score=True, also=also))
    by_key = await engine.search(CALLER.project, C, Search(also=also, implied=Compare(("n",), "=", 1)))

    assert [one.id for one in by_text.items] == [one.id for one in by_key.items] == ["d1"]
    assert by_key.index == "by_n"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (IndexSpec((), type="text"), "/indexes/0/fields"),
        (IndexSpec(("a", "a"), type="text"), "/indexes/0/fields"),
        (IndexSpec(("_id",), type="text"), "/indexes/0/fields/0"),
        (IndexSpec(("-a",), type="text"), "/indexes/0/fields/0"),
        (IndexSpec(("a",), type="text", unique=True), "/indexes/0/unique"),
        (IndexSpec(("a",), type="text", weights={"b": 1.0}), "/indexes/0/weights/b"),
        (IndexSpec(("a",), type="text", weights={"a": 0.0}), "/indexes/0/weights/a"),
        (IndexSpec(("a",), weights={"a": 1.0}), "/indexes/0/weights"),
        (IndexSpec(("a",), stemming="english"), "/indexes/0/stemming"),
        (IndexSpec(("a",), where={"b": {"$near": 1}}), "/indexes/0/where/b/$near"),
        (IndexSpec(("a",), where={"$search": "x"}), "/indexes/0/where/$search"),
    ],
)
async def test_an_invalid_index_is_refused_with_its_path(service: BundocService, spec: IndexSpec, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await service.put_collection(CALLER, C, CollectionSpec((spec,)))

    assert refused.value.extra["errors"][0]["path"] == path
