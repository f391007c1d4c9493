"""OpenAPI descriptions of the bodies that the routes of Bundoc do not parse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from bunbase.bundoc.documents import MAX_BYTES, MAX_LEVELS

PROBLEM: Final = "application/problem+json"

WHY: Final = {
    400: "The request is malformed or has an unknown parameter.",
    403: "No rule allows this (`rule_denied`).",
    404: "There is no such document (`document_not_found`).",
    409: "A document with this id exists (`document_exists`), or other documents refer to it (`document_referenced`).",
    410: "These changes are no longer available, or do not exist (`resync_required`).",
    412: "The document has changed since it was read (`stale_revision`); `rev` is its current revision.",
    413: f"A document has at most {MAX_BYTES} bytes (`document_too_large`).",
    415: "The body is not JSON.",
    422: "The body is JSON but not a valid document (`invalid_document`), or a name is not valid.",
}

OBJECT: Final = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=True,
    description=f"Any JSON object with at most {MAX_LEVELS} levels; names that begin with `_` are reserved.",
    examples=[{"title": "Hello", "views": 1}],
)


@dataclass
class DocumentBody(Operation):
    def __post_init__(self) -> None:
        self.request_body = RequestBody({"application/json": OpenAPIMediaType(schema=OBJECT)}, required=True)


@dataclass
class PatchBody(Operation):
    def __post_init__(self) -> None:
        content = OpenAPIMediaType(schema=OBJECT)
        self.request_body = RequestBody(
            {"application/merge-patch+json": content, "application/json": content}, required=True
        )


@dataclass
class CommitBody(Operation):
    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        write = Schema(
            type=OpenAPIType.OBJECT,
            required=["op", "collection"],
            properties={
                "op": Schema(type=OpenAPIType.STRING, enum=["create", "put", "patch", "delete", "check"]),
                "collection": text,
                "id": text,
                "data": OBJECT,
                "if_rev": Schema(type=OpenAPIType.INTEGER, minimum=0),
            },
        )
        body = Schema(
            type=OpenAPIType.OBJECT,
            required=["writes"],
            properties={"writes": Schema(type=OpenAPIType.ARRAY, items=write, min_items=1, max_items=500)},
        )
        self.request_body = RequestBody({"application/json": OpenAPIMediaType(schema=body)}, required=True)


def document_response(description: str) -> ResponseSpec:
    return ResponseSpec(dict[str, Any], generate_examples=False, description=description)


def page_response(description: str) -> ResponseSpec:
    return ResponseSpec(dict[str, Any], generate_examples=False, description=description)


def no_content(description: str) -> ResponseSpec:
    return ResponseSpec(None, generate_examples=False, description=description)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(dict[str, Any], generate_examples=False, description=WHY[status], media_type=PROBLEM)
        for status in statuses
    }


@dataclass
class ImportBody(Operation):
    def __post_init__(self) -> None:
        lines = OpenAPIMediaType(
            schema=Schema(type=OpenAPIType.STRING, description="NDJSON: one JSON object per line.")
        )
        self.request_body = RequestBody({"application/x-ndjson": lines}, required=True)


def lines_response(description: str) -> ResponseSpec:
    return ResponseSpec(bytes, generate_examples=False, description=description, media_type="application/x-ndjson")
