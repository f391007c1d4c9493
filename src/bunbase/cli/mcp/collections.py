"""Tools about collections: their schemas, indexes and rules."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from bunbase.cli.mcp.answers import (
    MAX_CONTENT_BYTES,
    NOTICE,
    WHOLE,
    Cut,
    Notice,
    names_of,
    number_that_fits,
    without_largest,
)
from bunbase.cli.mcp.project_api import ProjectApi, data_path
from bunbase.cli.mcp.reading import CollectionName
from bunbase.cli.mcp.tool import Tool
from bunbase.contracts.bundoc.collections import Collection, Rules, RuleWarning

MAX_CASES: Final = 50

Fields = dict[str, Any]


class NoArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class CollectionLine(msgspec.Struct, frozen=True):
    name: str
    indexes: Annotated[int, Meta(description="The number of indexes.")]
    has_schema: bool
    has_rules: bool


class CollectionLines(msgspec.Struct, frozen=True):
    collections: list[CollectionLine]
    cut: Cut


class DescribeArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName


class Described(msgspec.Struct, frozen=True):
    collection: Annotated[
        dict[str, Any],
        Meta(
            description="name, created_at, documents (their number), bytes, indexes, rules, expires, schema, strict, "
            "before_images, before_write, max_scan. A member that is missing has no value."
        ),
    ]
    cut: Cut


class RuleCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    collection: CollectionName
    op: Literal["list", "get", "create", "update", "delete"]
    auth: Annotated[
        Fields | None,
        Meta(description='The signed-in user, such as {"uid": "ada", "role": "editor"}; null: nobody is signed in.'),
    ] = None
    doc: Annotated[Fields | None, Meta(description="The stored document, for every op but create.")] = None
    next: Annotated[Fields | None, Meta(description="The document after the write, for create and update.")] = None


class RuleArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cases: Annotated[list[RuleCase], Meta(min_length=1, max_length=MAX_CASES)]
    rules: Annotated[
        dict[str, Rules] | None,
        Meta(description="Rules in CEL by collection, to test instead of the saved ones. They are not saved."),
    ] = None
    documents: Annotated[
        dict[str, dict[str, Fields]] | None,
        Meta(description='Documents that rules look up, instead of the stored ones: {"teams": {"red": {…}}}.'),
    ] = None


class RuleDecision(msgspec.Struct, frozen=True):
    allowed: bool
    hidden: Annotated[list[str], Meta(description="The fields of `doc` that this caller does not see.")]
    trace: Annotated[list[dict[str, Any]], Meta(description="The parts of the rule, each with its value or error.")]


class RuleDecisions(msgspec.Struct, frozen=True):
    notice: Notice
    decisions: Annotated[list[RuleDecision], Meta(description="One for each case, in the same order.")]
    warnings: Annotated[
        list[RuleWarning], Meta(description="List rules that will refuse lists when their collections have grown.")
    ]
    cut: Cut


class CollectionPage(msgspec.Struct, frozen=True):
    items: list[Collection]


class DecisionPage(msgspec.Struct, frozen=True):
    items: list[RuleDecision]
    warnings: list[RuleWarning]


def list_collections(project: ProjectApi, _asked: NoArguments) -> CollectionLines:
    found = project.ask(CollectionPage, "GET", data_path("collections")).items
    lines = [CollectionLine(one.name, len(one.indexes), one.schema is not None, one.rules is not None) for one in found]
    fitting = number_that_fits(lines)
    cut = f"Only the first {fitting} of {len(lines)} collections are shown, ordered by name."
    return CollectionLines(lines[:fitting], WHOLE if fitting == len(lines) else cut)


def describe_collection(project: ProjectApi, asked: DescribeArguments) -> Described:
    found = project.ask(dict[str, Any], "GET", data_path("collections", asked.collection))
    known = {name: value for name, value in found.items() if value is not None}
    shown, left_out = without_largest(known)
    cut = (
        f"Too large to show: {names_of(left_out)}. Ask the developer for them: `bunbase mcp` cannot show them in parts."
    )
    return Described(shown, cut if left_out else WHOLE)


def test_rules(project: ProjectApi, asked: RuleArguments) -> RuleDecisions:
    body = {name: value for name, value in msgspec.to_builtins(asked).items() if value is not None}
    found = project.ask(DecisionPage, "POST", data_path("rules", "test"), body)
    decisions = found.items
    if number_that_fits(decisions) == len(decisions):
        return RuleDecisions(NOTICE, decisions, found.warnings, WHOLE)
    bare = [msgspec.structs.replace(one, trace=[]) for one in decisions]
    return RuleDecisions(
        NOTICE,
        bare,
        found.warnings,
        f"The traces have more than {MAX_CONTENT_BYTES} bytes and are left out. Test fewer cases.",
    )


TOOLS: Final = (
    Tool(
        "list_collections",
        "List collections",
        "List the project's collections.",
        NoArguments,
        CollectionLines,
        list_collections,
    ),
    Tool(
        "describe_collection",
        "Describe a collection",
        "Show a collection: its JSON Schema, indexes and access rules, and the number and size of its documents.",
        DescribeArguments,
        Described,
        describe_collection,
    ),
    Tool(
        "test_rules",
        "Test access rules",
        "Show whether access rules allow some requests, and why. No document is read or written by these requests. "
        "Tests the saved rules, or other rules that are not saved. Needs the scope `settings` or `write`.",
        RuleArguments,
        RuleDecisions,
        test_rules,
        shows_data=True,
    ),
)
