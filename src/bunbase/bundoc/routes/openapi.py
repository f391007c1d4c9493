"""OpenAPI descriptions of the answers of Bundoc. The types of bodies and answers are in `shapes.py`."""

from __future__ import annotations

from typing import Any, Final

from litestar.openapi.datastructures import ResponseSpec

from bunbase.bundoc.documents import MAX_BYTES
from bunbase.bundoc.routes.shapes import Document, DocumentPage
from bunbase.pkg.openapi import answers

PROBLEM: Final = "application/problem+json"

WHY: Final = {
    400: "The request is malformed or has an unknown parameter.",
    403: "No rule allows this (`rule_denied`), or the function of the collection refuses the write (`write_refused`).",
    404: "There is no such document (`document_not_found`).",
    409: "A document with this id exists (`document_exists`), or other documents refer to it (`document_referenced`).",
    410: "These changes are no longer available, or do not exist (`resync_required`).",
    412: "The document has changed since it was read (`stale_revision`); `rev` is its current revision.",
    413: f"A document has at most {MAX_BYTES} bytes (`document_too_large`).",
    415: "The body is not JSON.",
    422: "The body is JSON but not a valid document (`invalid_document`), or a name is not valid.",
    502: "The function that the collection asks before writes failed (`before_write_failed`).",
    503: "The function that the collection asks before writes did not answer in time (`before_write_busy`).",
}


def document_response(description: str) -> ResponseSpec:
    return answers(Document, description)


def page_response(description: str) -> ResponseSpec:
    return answers(DocumentPage, description)


def no_content(description: str) -> ResponseSpec:
    return ResponseSpec(None, generate_examples=False, description=description)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(dict[str, Any], generate_examples=False, description=WHY[status], media_type=PROBLEM)
        for status in statuses
    }


def lines_response(description: str) -> ResponseSpec:
    return ResponseSpec(bytes, generate_examples=False, description=description, media_type="application/x-ndjson")
