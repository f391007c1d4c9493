"""The described types of bodies have the same fields as the types that parse them."""

from __future__ import annotations

import msgspec
import pytest

from bunbase.bundoc.commits import SentCommit, SentWrite
from bunbase.bundoc.query.aggregate import OPERATORS
from bunbase.bundoc.routes.queries import AggregateBody
from bunbase.bundoc.routes.sent_queries import QueryBody
from bunbase.bundoc.routes.shapes import (
    AggregatedValue,
    DocumentAggregation,
    DocumentQuery,
    DocumentWrite,
    DocumentWrites,
    ShownCollection,
)
from bunbase.contracts.bundoc.collections import Collection


def names(struct: type[msgspec.Struct]) -> list[str]:
    return sorted(struct.__struct_encode_fields__)


@pytest.mark.parametrize(
    ("described", "parsed"),
    [
        (DocumentQuery, QueryBody),
        (DocumentAggregation, AggregateBody),
        (DocumentWrites, SentCommit),
        (DocumentWrite, SentWrite),
        (ShownCollection, Collection),
    ],
)
def test_a_described_body_has_the_fields_that_are_parsed(
    described: type[msgspec.Struct], parsed: type[msgspec.Struct]
) -> None:
    assert names(described) == names(parsed)
    assert described.__struct_config__.forbid_unknown_fields == parsed.__struct_config__.forbid_unknown_fields


def test_every_operator_of_an_aggregation_is_described() -> None:
    assert names(AggregatedValue) == sorted(OPERATORS)
