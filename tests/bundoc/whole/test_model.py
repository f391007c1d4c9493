"""Any sequence of operations has the same results in Bundoc and on a dict."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.contracts.bundoc.documents import Document, Precondition
from bunbase.contracts.bundoc.problems import DocumentExists, DocumentNotFound, StaleRevision
from bunbase.pkg.errors import Problem
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.update.test_merge_patch import by_the_rfc
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.seeds import examples

CALLER = secret_caller("prj_a")

ids = st.sampled_from(["a", "b", "c"])
bodies = st.dictionaries(
    st.sampled_from(["x", "y"]),
    st.none() | st.integers(0, 9) | st.dictionaries(st.just("z"), st.none() | st.text()),
    max_size=2,
)
conditions = st.builds(Precondition, rev=st.none() | st.integers(1, 4)) | st.just(Precondition(absent=True))
operations = st.one_of(
    st.tuples(st.just("create"), ids, bodies),
    st.tuples(st.just("put"), ids, bodies, conditions),
    st.tuples(st.just("patch"), ids, bodies, conditions),
    st.tuples(st.just("inc"), ids, st.integers(-3, 3), conditions),
    st.tuples(st.just("delete"), ids, conditions),
    st.tuples(st.just("get"), ids),
    st.tuples(st.just("list"), st.integers(1, 3)),
    st.tuples(st.just("reopen")),
)

Model = dict[str, tuple[int, dict[str, Any]]]  # An id after a slash holds the last revision of a deleted document.


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations, max_size=25))
async def test_bundoc_behaves_like_a_dict(sequence: list[tuple[Any, ...]]) -> None:
    model: Model = {}
    kms = FakeKms()
    with tempfile.TemporaryDirectory() as directory:
        remaining = list(sequence)
        while remaining:
            async with sqlite_engine(Path(directory) / "bundoc", kms, BundocSettings(threads=1)) as engine:
                service = BundocService(engine)
                while remaining and (operation := remaining.pop(0))[0] != "reopen":
                    assert await done(service, operation) == expected(model, operation)


async def done(service: BundocService, operation: tuple[Any, ...]) -> Any:
    """Return the answer of Bundoc in the form of the model."""
    try:
        match operation:
            case ("create", id, body):
                return plain(await service.create(CALLER, "things", msgspec.json.encode({"_id": id, **body})))
            case ("put", id, body, when):
                return plain(await service.put(CALLER, "things", id, msgspec.json.encode(body), when))
            case ("patch", id, body, when):
                return plain(await service.patch(CALLER, "things", id, msgspec.json.encode(body), when))
            case ("inc", id, by, when):
                update = msgspec.json.encode({"$inc": {"n": by}})
                return plain(await service.patch(CALLER, "things", id, update, when))
            case ("delete", id, when):
                await service.delete(CALLER, "things", id, when)
                return None
            case ("get", id):
                return plain(await service.get(CALLER, "things", id))
            case ("list", limit):
                return await listed(service, limit)
    except Problem as problem:
        return type(problem), problem.extra.get("rev")


async def listed(service: BundocService, limit: int) -> list[tuple[str, int, dict[str, Any]]]:
    found, cursor, first = [], None, True
    while first or cursor is not None:
        page = msgspec.json.decode((await service.list(CALLER, "things", limit, cursor)).body)
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor, first = page["next"], False
    return [shown(item) for item in found]


def expected(model: Model, operation: tuple[Any, ...]) -> Any:
    """Apply the same operation to the model."""
    match operation:
        case ("list", _):
            return [(id, *model[id]) for id in sorted(model) if "/" not in id]
        case ("get", id):
            return (id, *model[id]) if id in model else (DocumentNotFound, None)
        case ("create", id, body):
            if id in model:
                return DocumentExists, None
            model[id] = (model.pop(f"/{id}", (0, {}))[0] + 1, body)
            return (id, *model[id])
    kind, id, when = operation[0], operation[1], operation[-1]
    rev, before = model.get(id, (0, {}))
    if (when.absent and rev) or (when.rev is not None and when.rev != rev):
        return StaleRevision, rev
    if kind != "put" and not rev:
        return DocumentNotFound, None
    if kind == "delete":
        model[f"/{id}"] = model.pop(id)
        return None
    if kind == "inc":
        model[id] = (rev + 1, {**before, "n": before.get("n", 0) + operation[2]})
        return (id, *model[id])
    rev = rev or model.pop(f"/{id}", (0, {}))[0]
    model[id] = (rev + 1, operation[2] if kind == "put" else by_the_rfc(before, operation[2]))
    return (id, *model[id])


def plain(document: Document) -> tuple[str, int, dict[str, Any]]:
    result = shown(msgspec.json.decode(document.body))
    assert result[:2] == (document.id, document.rev)
    return result


def shown(item: dict[str, Any]) -> tuple[str, int, dict[str, Any]]:
    assert item.pop("_created") <= item.pop("_updated")
    return item.pop("_id"), item.pop("_rev"), item
