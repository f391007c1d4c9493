"""Parsing of `$search`: every text is a valid search, and no part of it is read as FTS5 syntax."""

from __future__ import annotations

from typing import Any

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.text import Term, TextSearch, parse_search, parse_text, parse_where_and_search
from bunbase.bundoc.sqlite_engine.kept_index import READY
from bunbase.bundoc.sqlite_engine.text_tables import TextTable
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.problems import InvalidQuery
from tests.seeds import examples

TABLE = TextTable(1, 1, IndexSpec(("title", "body"), type="text"), stage=READY, built=0)


def words(*groups: str) -> tuple[tuple[Term, ...], ...]:
    return tuple(tuple(Term(word) for word in group.split("|")) for group in groups)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", TextSearch(())),
        ("quick  fox", TextSearch(words("quick", "fox"))),
        ('"quick fox" dog', TextSearch(words("quick fox", "dog"))),
        ("fox -dog", TextSearch(words("fox"), (Term("dog"),))),
        ('fox -"lazy dog"', TextSearch(words("fox"), (Term("lazy dog"),))),
        ("fo*", TextSearch(((Term("fo", prefix=True),),))),
        ('"quick fo"*', TextSearch(((Term("quick fo", prefix=True),),))),
        ("a OR b c", TextSearch(words("a|b", "c"))),
        ("OR a OR", TextSearch(words("a"))),
        ("a or b", TextSearch(words("a", "or", "b"))),
        ('"open end', TextSearch(words("open end"))),
        ("... -!! *", TextSearch(())),
        ("e-mail", TextSearch(words("e-mail"))),
        ("NEAR(a b) AND NOT", TextSearch(words("NEAR(a", "b)", "AND", "NOT"))),
    ],
)
def test_a_search_text_is_parsed_into_terms(text: str, expected: TextSearch) -> None:
    assert parse_text(text) == expected


@settings(max_examples=examples(150), deadline=None)
@given(text=st.text("ab1 \"'*-:^(){}+\\\x00\ue000éNOTAR.,\n", max_size=40) | st.text(max_size=40))
@example('"')
@example('a "" -"')
@example("c0 : a")
def test_no_search_text_causes_a_syntax_error(text: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(TABLE.create_sql)
    connection.execute("INSERT INTO text_1 (rowid, c0, c1) VALUES (1, 'a b', 'c')")

    sought = parse_text(text)

    if sought.all:
        connection.execute("SELECT rowid FROM text_1 WHERE text_1 MATCH ?", (TABLE.match(sought),)).fetchall()
    connection.close()


Texts = tuple[list[str], list[list[str]]]
WORDS = st.sampled_from(["a", "ab", "abc", "b", "É", "e"])
STORED = st.lists(st.tuples(st.lists(WORDS, max_size=4), st.lists(st.lists(WORDS, max_size=3), max_size=3)), max_size=6)
SOUGHT = st.one_of(
    WORDS,
    st.builds("{}*".format, WORDS),
    st.builds('"{} {}"'.format, WORDS, WORDS),
    st.builds("-{}".format, WORDS),
    st.builds("{} OR {}".format, WORDS, WORDS),
)


@settings(max_examples=examples(200), deadline=None)
@given(stored=STORED, sought=st.lists(SOUGHT, max_size=4).map(" ".join))
def test_a_text_search_agrees_with_a_simple_model(stored: list[Texts], sought: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE docs_1 (n INTEGER PRIMARY KEY, id TEXT)")
    connection.execute(TABLE.create_sql)
    for number, (title, body) in enumerate(stored):
        connection.execute("INSERT INTO docs_1 VALUES (?, ?)", (number, f"d{number}"))
        value = {"title": " ".join(title), "body": [" ".join(words) for words in body]}
        TABLE.put(connection, f"d{number}", value)
    search = parse_text(sought)

    found: set[Any] = set()
    if search.all:
        sql = "SELECT rowid FROM text_1 WHERE text_1 MATCH ?"
        found = {row[0] for row in connection.execute(sql, (TABLE.match(search),))}
    connection.close()

    texts = [[title, *body] for title, body in stored]
    assert found == {number for number, of in enumerate(texts) if search.all and plainly(search, of)}


def plainly(search: TextSearch, texts: list[list[str]]) -> bool:
    wanted = all(any(occurs(term, texts) for term in group) for group in search.all)
    return wanted and not any(occurs(term, texts) for term in search.none)


def occurs(term: Term, texts: list[list[str]]) -> bool:
    words = [folded(word) for word in term.text.split()]
    return any(
        begins(words, [folded(word) for word in text[at : at + len(words)]], term.prefix)
        for text in texts
        for at in range(len(text))
    )


def begins(words: list[str], found: list[str], prefix: bool) -> bool:
    if len(found) < len(words) or words[:-1] != found[:-1]:
        return False
    return found[-1].startswith(words[-1]) if prefix else found[-1] == words[-1]


def folded(word: str) -> str:
    return word.lower().replace("é", "e")


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ('{"$search":3}', "/where/$search"),
        ('{"$search":{"text":"a"}}', "/where/$search"),
        ('{"$search":{"query":"a","x":1}}', "/where/$search/x"),
        ('{"$search":{"query":"a","fields":"title"}}', "/where/$search/fields"),
        ('{"$search":{"query":"a","fields":["a..b"]}}', "/where/$search/fields/0"),
        ('{"$search":{"query":"a","index":1}}', "/where/$search/index"),
        ('{"$search":"' + "a" * 1001 + '"}', "/where/$search"),
        ('{"$search":"' + "a " * 33 + '"}', "/where/$search"),
        ('{"$or":[{"$search":"a"},{"b":1}]}', "/where/$or/0/$search"),
        ('{"$nor":[{"$search":"a"}]}', "/where/$nor/0/$search"),
        ('{"$and":[{"$search":"a"}]}', "/where/$and/0/$search"),
        ('{"a":{"$elemMatch":{"$search":"a"}}}', "/where/a/$elemMatch/$search"),
    ],
)
def test_an_invalid_search_is_refused_with_its_path(where: str, path: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_where_and_search(where.encode())

    assert refused.value.extra["path"] == path


def test_a_search_may_name_its_index_and_fields() -> None:
    sought = parse_search({"query": "fox", "index": "by_text", "fields": ["title"]}, "")

    assert sought == TextSearch(words("fox"), index="by_text", fields=("title",))
    assert TABLE.match(sought) == '{c0} : ((("fox")))'
