"""Compares answers with the OpenAPI document: status, content type, and the type of a JSON body."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from tests.shared_openapi import openapi_document


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi_document())
    return found


def differences(method: str, route: str, reply: httpx.Response) -> list[str]:
    """Return the ways in which an answer differs from its description in the document."""
    answers = document()["paths"][route][method.lower()]["responses"]
    described = _resolved(answers.get(str(reply.status_code), answers["default"]))
    if method == "HEAD" or "*/*" in described.get("content", {}):
        return []
    kind = reply.headers.get("content-type", "").partition(";")[0]
    if "content" not in described:
        return [f"it has a body of type {kind}"] if reply.content else []
    if kind not in described["content"]:
        return [f"{kind} is not described"]
    if not kind.endswith("json") or kind.endswith("ndjson"):
        return []
    errors = _validator(json.dumps(described["content"][kind]["schema"])).iter_errors(reply.json())
    return [f"{error.message} at {error.instance_path}" for error in errors]


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**json.loads(schema), "components": document()["components"]})


def _resolved(answer: dict[str, Any]) -> dict[str, Any]:
    name = answer.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document()["components"]["responses"][name] if name else answer
    return found
