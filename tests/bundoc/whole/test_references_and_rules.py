"""A reference reveals no more to callers bound by rules than `get`; a cascade follows the schema."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import DocumentNotFound, DocumentReferenced, InvalidDocument
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.errors import Problem
from tests.rooms import publishable_caller, secret_caller

SERVER = secret_caller("prj_a")
ANN = publishable_caller("prj_a", EndUser("ann", "ann@a.example", "user", {}, "s"))
OPEN = Rules(list="true", get="true", create="true", update="true", delete="true")


def ref(collection: str, on_delete: str = "restrict") -> dict[str, Any]:
    return {"type": ["string", "null"], "x-ref": collection, "x-on-delete": on_delete}


async def put(service: BundocService, caller: Caller, collection: str, id: str, **fields: Any) -> None:
    await service.put(caller, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)


@pytest.fixture
async def members(service: BundocService) -> BundocService:
    """Create members that refer to teams and to secret teams. Ann may see only her own team, and no secret team."""
    refers = {"team": ref("teams"), "teams": {"items": ref("teams")}, "vault": ref("vaults"), "self": ref("members")}
    await service.put_collection(
        SERVER, "teams", CollectionSpec(rules=Rules(get="doc.owner == auth.uid", create="true"))
    )
    await service.put_collection(SERVER, "vaults", CollectionSpec())
    await service.put_collection(SERVER, "members", CollectionSpec(rules=OPEN, schema={"properties": refers}))
    await put(service, SERVER, "teams", "hers", owner="ann")
    await put(service, SERVER, "teams", "theirs", owner="bob")
    await put(service, SERVER, "vaults", "v1")
    return service


async def refusal(service: BundocService, **fields: Any) -> tuple[type[Problem], Any]:
    with pytest.raises(Problem) as refused:
        await put(service, ANN, "members", "m", **fields)
    return type(refused.value), msgspec.to_builtins(refused.value.extra["errors"])


async def test_a_document_that_may_not_be_read_looks_missing_to_a_reference(members: BundocService) -> None:
    """A different error would reveal that the document exists."""
    for field, hidden, missing in (
        ("team", "theirs", "no_such"),
        ("vault", "v1", "no"),
        ("teams", ["theirs"], ["no_such"]),
        ("teams", ["hers", "theirs"], ["hers", "no_such"]),
    ):
        kind, errors = await refusal(members, **{field: hidden})
        as_missing, others = await refusal(members, **{field: missing})
        assert kind is as_missing is InvalidDocument
        assert str(errors).replace("theirs", "no_such").replace("v1", "no") == str(others)
    with pytest.raises(DocumentNotFound):
        await members.get(SERVER, "members", "m")


async def test_references_to_readable_documents_are_accepted(members: BundocService) -> None:
    """A document may refer to a document that the same commit creates, and may keep references that it already has."""
    await put(members, ANN, "members", "m", team="hers", self="m")
    await put(members, SERVER, "members", "m", team="theirs", vault="v1")
    await members.patch(ANN, "members", "m", b'{"name":"m"}', NO_PRECONDITION)
    writes = [
        {"op": "create", "collection": "teams", "id": "new", "data": {"owner": "ann"}},
        {"op": "put", "collection": "members", "id": "m2", "data": {"team": "new"}},
    ]
    await members.commit(ANN, msgspec.json.encode({"writes": writes}))

    writes[0] = {"op": "create", "collection": "teams", "id": "not_hers", "data": {"owner": "bob"}}
    writes[1]["data"] = {"team": "not_hers"}
    with pytest.raises(InvalidDocument):
        await members.commit(ANN, msgspec.json.encode({"writes": writes}))
    with pytest.raises(DocumentNotFound):
        await members.get(SERVER, "teams", "not_hers")


async def test_the_secret_key_may_refer_to_any_document(members: BundocService) -> None:
    await put(members, SERVER, "members", "m", team="theirs", vault="v1")


async def test_a_cascade_follows_the_schema_and_ignores_rules(service: BundocService) -> None:
    """If a caller may delete a document, its dependents are deleted too. An error of `restrict` names no document."""
    await service.put_collection(SERVER, "lists", CollectionSpec(rules=OPEN))
    await service.put_collection(
        SERVER, "notes", CollectionSpec(schema={"properties": {"list": ref("lists", "cascade")}})
    )
    await service.put_collection(SERVER, "pins", CollectionSpec(schema={"properties": {"list": ref("lists")}}))
    for id in ("a", "b"):
        await put(service, SERVER, "lists", id)
        await put(service, SERVER, "notes", id, list=id)
    await put(service, SERVER, "pins", "p", list="b")

    await service.delete(ANN, "lists", "a", NO_PRECONDITION)
    with pytest.raises(DocumentNotFound):
        await service.get(SERVER, "notes", "a")
    with pytest.raises(DocumentReferenced) as refused:
        await service.delete(ANN, "lists", "b", NO_PRECONDITION)
    assert "pins" not in str((refused.value.detail, refused.value.extra))
    assert (await service.get(SERVER, "notes", "b")).rev == 1
