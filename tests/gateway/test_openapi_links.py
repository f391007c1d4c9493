"""Each link of the OpenAPI document leads to an operation, with all parameters of its path."""

from __future__ import annotations

import re
from typing import Any

from bunbase.gateway.openapi_links import add_links
from tests.gateway.test_openapi import DOCUMENT, OPERATIONS, resolved

PATHS = {
    operation["operationId"]: (path, method)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
# The answer of `POST /v1/live` is a stream, and functions send any answer.
WITHOUT_LINKS = {"openLiveEvents", "callFunctionPost"}


def links() -> list[tuple[str, dict[str, Any], str, dict[str, Any]]]:
    """Return operation, schema of the answer, name and link of each link."""
    return [
        (name, resolved(answer["content"]["application/json"]["schema"]), target, link)
        for name, operation in OPERATIONS
        for answer in operation["responses"].values()
        for target, link in answer.get("links", {}).items()
    ]


def test_every_link_leads_to_an_operation_and_names_all_parameters_of_its_path() -> None:
    found = links()

    assert len(found) > 80
    for name, _, target, link in found:
        path, _ = PATHS[link["operationId"]]
        assert link["operationId"] == target
        assert set(link["parameters"]) == set(re.findall(r"\{(\w+)\}", path)), (name, target)


def test_every_value_of_a_link_is_a_parameter_of_the_request_or_a_text_of_the_answer() -> None:
    for name, schema, target, link in links():
        for value in link["parameters"].values():
            if value.startswith("$request.path."):
                assert f"{{{value.removeprefix('$request.path.')}}}" in name
                continue
            field = schema
            for part in value.removeprefix("$response.body#/").split("/"):
                field = resolved(resolved(field)["properties"][part])
            assert field["type"] == "string", (name, target)


def test_every_answer_that_makes_a_resource_has_a_link_to_it() -> None:
    missing = []
    for name, operation in OPERATIONS:
        method, path = name.split(" ")
        below = [other for other in DOCUMENT["paths"] if re.fullmatch(re.escape(path) + r"/\{\w+\}", other)]
        if method == "POST" and below and operation["operationId"] not in WITHOUT_LINKS:
            good = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            missing += [name for answer in good if not answer.get("links")]

    assert missing == []


def test_an_answer_without_an_id_has_no_link() -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    answer: dict[str, Any] = {"content": {"application/json": {"schema": schema}}}
    document: dict[str, Any] = {
        "paths": {
            "/things": {"post": {"operationId": "makeThing", "responses": {"201": answer}}},
            "/things/{thing}": {"get": {"operationId": "getThing", "responses": {}}},
        },
        "components": {"schemas": {}},
    }

    add_links(document)
    without = dict(answer)
    schema["properties"] = {"id": {"type": "string"}}
    add_links(document)

    assert "links" not in without
    parameters = {"thing": "$response.body#/id"}
    assert answer["links"] == {"getThing": {"operationId": "getThing", "parameters": parameters}}
