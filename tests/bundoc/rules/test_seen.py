"""A rule decides in the same way whether it sees the whole document or only the fields that it reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.rules.seen import MAX_NAMES, WHOLE, FieldsRead, reads_of, seen_fields
from bunbase.contracts.bundoc.collections import Rules
from bunbase.contracts.caller import EndUser
from bunbase.pkg.rules.inputs import Inputs, json_value
from bunbase.pkg.rules.parser import parse
from bunbase.pkg.rules.refusal import InvalidRule
from bunbase.pkg.rules.values import Failed
from tests.bundoc.rules.test_agreement import CREATED, DOCUMENTS, NOW, RULES
from tests.rooms import publishable_caller
from tests.seeds import examples

CALLER = publishable_caller("prj_a", EndUser("ada", "a@x", "user", {"a": 1, "tags": ["x"]}, "s"))
# documents whose other fields have the same names inside, so that only the names at the top may count
PADDING = [{"a": 1, "owner": "ada", "tags": ["x"], "n": number, "é": 2**70} for number in range(150)]

WHOLE_READS = (
    "size(doc) > 2",
    "'a' in doc",
    "doc[auth.uid] == 1",
    "doc.exists(name, name == 'owner')",
    "doc == doc",
    "next.diff(doc).affectedKeys().hasOnly(['a'])",
    "(true ? doc : next).a == 1",
    "[doc, next].all(one, has(one.owner))",
)
NAMED_READS = ("next.a == doc.a", "next.owner != doc['owner']", "has(next.a) && !has(doc.b)", "next._rev > doc._rev")


def stored(fields: dict[str, Any], padded_at: int) -> StoredDocument:
    """Return a document with a long field in the given place."""
    items = list(fields.items())
    items.insert(padded_at, ("zz", PADDING))
    return StoredDocument("d1", 2, CREATED, CREATED, msgspec.json.encode(dict(items)))


def evaluated(rule: CompiledRule, inputs: Inputs) -> tuple[Any, int]:
    """Return the value of the rule or its error, and the number of steps."""
    inputs.begin(rule.nodes)
    try:
        return rule.evaluate(inputs), inputs.steps
    except Failed as failed:
        return (type(failed), str(failed)), inputs.steps


RULE_PAIRS = st.tuples(RULES, RULES.map(lambda rule: rule.replace("doc.", "next.").replace("doc[", "next[")))


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rules=RULE_PAIRS,
    other=st.sampled_from(["true", *WHOLE_READS, *NAMED_READS]),
    doc=DOCUMENTS,
    next=DOCUMENTS,
    padded_at=st.integers(0, 5),
)
@example(("true", "true"), "next.diff(doc).affectedKeys().hasOnly(['a'])", {"a": 1}, {"a": 2}, 0)
@example(("doc.a == 1.1805916207174113e21", "true"), "true", {"a": 2**70}, {}, 0)
@example(("doc.a.a == [1]", "true"), "true", {"a": {"a": [1]}}, {}, 0)
@example(("doc.a == 1", "has(next.a)"), "true", {}, {"a": None}, 0)
@example(("doc['é'] == 1", "true"), "true", {"é": 1}, {}, 0)
def test_a_rule_decides_in_the_same_way_about_the_fields_that_it_reads(
    rules: tuple[str, str], other: str, doc: dict[str, Any], next: dict[str, Any], padded_at: int
) -> None:
    first, second = rules
    for source in (f"({first})", f"({first}) && ({second}) && {other}", f"{other} || ({first}) || ({second})", other):
        try:
            rule = CompiledRule(source, "update")
        except InvalidRule:
            continue
        before, after = stored(doc, padded_at), stored(next, padded_at)

        def inputs(reads: Any, before: StoredDocument = before, after: StoredDocument = after) -> Inputs:
            access = Access(CALLER, "posts", RuleSet(Rules()), NOW, Budget())
            return access.inputs("update", "d1", lambda _collection, _id: None, before, after, reads)

        assert evaluated(rule, inputs(rule.reads)) == evaluated(rule, inputs(WHOLE)), source


@pytest.mark.parametrize(
    ("source", "system", "own"),
    [
        ("doc.owner == auth.uid", (), ("owner",)),
        ("has(doc.b) && doc['a'].b.c == doc._id", ("_id",), ("a", "b")),
        ("auth.role == 'admin'", (), ()),
        ("get('users', doc._id + doc.a[0].doc).owner == auth.uid", ("_id",), ("a",)),
        ("doc.tags.all(doc2, doc2 == doc._rev)", ("_rev",), ("tags",)),
    ],
)
def test_a_part_has_the_fields_that_a_rule_names(source: str, system: tuple[str, ...], own: tuple[str, ...]) -> None:
    part = reads_of([parse(source)]).doc

    assert part is not None
    assert (part.system, part.own) == (system, own)


@pytest.mark.parametrize(
    "source",
    [
        *(source for source in WHOLE_READS if "doc" in source),
        " && ".join(f"has(doc.f{number})" for number in range(MAX_NAMES + 1)),
        'doc["a\\"b"] == 1',
        'doc["a\\\\b"] == 1',
        "doc[string(1)] == 1",
    ],
)
def test_a_rule_that_may_read_any_field_gets_the_whole_document(source: str) -> None:
    assert reads_of([parse(source)]).doc is None


def test_a_part_finds_names_and_values_as_decoding_does() -> None:
    fields = {"a": 2**63, "é": -(2**63) - 1, "": 10**40, "at_0": {"a": {"a": 1}}, "for": '\x00"', "with space": [None]}
    body = msgspec.json.encode({**fields, "😀": 1.5, "not sought": 1})
    document = StoredDocument("d1", 2, CREATED, CREATED, body)
    sought = [*fields, "😀"]
    part = FieldsRead([*sought, "missing", "_id", "_rev", "_created", "_updated"])

    found = {name: json_value(text) for name, text in part.texts(document.body).items()}

    whole = seen_fields(document)
    del whole["not sought"]
    assert found | part.system_fields(document) == whole
    assert all(found[name].__class__ is whole[name].__class__ for name in sought)
