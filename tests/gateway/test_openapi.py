"""The OpenAPI document as a whole. Each assertion is about every operation, so a new route is tested too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from bunbase.gateway.answer_examples import ANSWERS
from tests.shared_openapi import openapi_document

DOCUMENT: dict[str, Any] = json.loads(openapi_document())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
OPEN_BODIES = {"NewDocument", "DocumentPatch", "RpcRequest"}  # These bodies may have unknown fields.
FUNCTIONS = "/v1/functions/"
IMPORTS = ("POST /v1/import", "POST /api/projects/{project}/import")


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Return the object that a `$ref` names, or the node itself."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object in the tree."""
    if isinstance(tree, dict):
        yield tree
    for below in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(below)


def references(tree: Any) -> set[str]:
    return {node["$ref"] for node in nodes(tree) if isinstance(node.get("$ref"), str)}


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield operation, content type and media object of each request body."""
    for name, operation in OPERATIONS:
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            yield name, kind, media


def answers() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield operation, status and answer of each response."""
    for name, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            yield name, status, resolved(answer)


def problems_of(schema: Any, value: Any) -> list[str]:
    """Return the reasons why a value does not match a schema of the document."""
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [error.message for error in validator.iter_errors(value)]


def has_a_type(schema: dict[str, Any]) -> bool:
    """True if a generator makes a better type from the schema than `any` or an object without a name."""
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if "items" in schema:
        parts.append(schema["items"])
    return "$ref" in schema or (bool(parts) and all(has_a_type(part) for part in parts))


def test_every_operation_says_which_credentials_it_accepts() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]

    assert [name for name, operation in OPERATIONS if "security" not in operation] == []
    used = {scheme for _, operation in OPERATIONS for choice in operation["security"] for scheme in choice}
    assert used == set(schemes)


def test_every_operation_id_is_one_name_that_no_other_operation_has() -> None:
    ids = [operation["operationId"] for _, operation in OPERATIONS]

    assert [one for one in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", one)] == []
    assert sorted({one for one in ids if ids.count(one) > 1}) == []


def test_every_json_answer_has_a_named_type() -> None:
    untyped = [
        f"{name} {status}"
        for name, status, answer in answers()
        for kind, media in answer.get("content", {}).items()
        if kind == "application/json" and not has_a_type(media["schema"])
    ]

    assert untyped == []


def test_every_json_body_has_a_named_type_that_refuses_unknown_fields_if_the_server_does() -> None:
    untyped, loose = [], set()
    for name, kind, media in bodies():
        if kind in ("application/json", "application/merge-patch+json"):
            untyped += [] if has_a_type(media["schema"]) else [name]
            loose |= {
                reference.rpartition("/")[2]
                for reference in references(media["schema"])
                if resolved({"$ref": reference}).get("additionalProperties") is not False
            }

    assert untyped == []
    assert loose == OPEN_BODIES


OTHER_FAILURES = {
    ("GET /api/ready", "503"),
    ("POST /v1/auth/token", "400"),  # this is the form of RFC 6749 §5.2, which OAuth clients read
    ("POST /v1/auth/token", "401"),
    *((f"POST /oauth/{name}", status) for name in ("token", "revoke", "introspect") for status in ("400", "401")),
    *((f"{method} /oauth/userinfo", "401") for method in ("GET", "POST")),
}


def test_every_failure_is_a_problem() -> None:
    wrong = [
        f"{name} {status}"
        for name, status, answer in answers()
        if not status.startswith(("1", "2", "3"))
        and answer["content"] != PROBLEM
        and (name, status) not in OTHER_FAILURES
    ]

    assert wrong == []
    assert [name for name, operation in OPERATIONS if "default" not in operation["responses"]] == []


def test_every_path_parameter_has_a_pattern_or_is_a_bounded_number() -> None:
    loose = []
    for name, operation in OPERATIONS:
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            bounded = "pattern" in schema or (
                schema.get("type") == "integer" and {"minimum", "maximum"} <= schema.keys()
            )
            below_function = parameter["name"] == "path"  # This means any path below a function's own.
            if parameter["in"] == "path" and not bounded and not below_function:
                loose.append(f"{name} {parameter['name']}")

    assert loose == []


def test_every_placeholder_of_a_path_is_a_required_parameter() -> None:
    for name, operation in OPERATIONS:
        parameters = operation.get("parameters", ())
        declared = [(one["name"], one["in"]) for one in parameters]
        assert len(declared) == len(set(declared)), name
        required = {one["name"] for one in parameters if one["in"] == "path" and one["required"]}
        assert required == set(re.findall(r"\{(\w+)\}", name)), name


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = references(DOCUMENT)

    assert all(resolved({"$ref": reference}) for reference in used)
    components = DOCUMENT["components"]
    defined = {f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in components[kind]}
    assert defined - used == {"#/components/schemas/ProblemCode"}
    assert used <= defined


def test_exactly_the_acts_that_can_be_repeated_safely_take_an_idempotency_key() -> None:
    """A route that answers with a secret must not take a key, because BunBase would store its answer."""
    taking = {
        name
        for name, operation in OPERATIONS
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    }
    functions = {name for name, _ in OPERATIONS if name.split(" ")[1].startswith(FUNCTIONS)}

    assert taking - functions == {
        "POST /v1/data/{collection}",
        *(f"{method} /v1/data/{{collection}}/{{id}}" for method in ("PUT", "PATCH", "DELETE")),
        "POST /v1/commit",
        "POST /v1/channels/publish",
        "POST /v1/jobs",
        "POST /api/projects/{project}/jobs",
    }
    assert functions <= taking
    for name, operation in OPERATIONS:
        answered = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
        told = [set(answer.get("headers", ())) & {"Idempotency-Replayed", "X-Bunbase-Seq"} for answer in answered]
        documents = (name in taking and ("/v1/data" in name or "/v1/commit" in name)) or name in IMPORTS
        expected = ({"Idempotency-Replayed"} if name in taking else set()) | ({"X-Bunbase-Seq"} if documents else set())
        assert told == [expected] * len(told), name


def test_every_error_code_is_in_the_union_and_the_code_of_a_problem_stays_open() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text()

    assert SCHEMAS["ProblemCode"]["enum"] == sorted(re.findall(r"^\| \d+ \| `(\w+)`", page, re.MULTILINE))
    assert "enum" not in SCHEMAS["Problem"]["properties"]["code"]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_component_is_a_schema_that_generators_understand(name: str) -> None:
    schema = SCHEMAS[name]

    assert jsonschema_rs.meta.is_valid(schema)
    assert schema.get("description") == (schema["description"].strip() if "description" in schema else None)
    for node in nodes({key: value for key, value in schema.items() if key != "examples"}):
        kinds = node.get("type", ())
        if "enum" in node:
            assert kinds, "oapi-codegen makes `any` of an enum without a type"
        if isinstance(kinds, str | list) and "object" in kinds and "properties" not in node:
            assert "additionalProperties" in node, "openapi-typescript makes an empty object of it"
    for field in schema.get("properties", {}).values():
        assert "default" not in field, "openapi-typescript takes a field with a default for a required one"


def test_the_example_of_every_body_matches_its_schema() -> None:
    wrong = [
        f"{name}: {problem}"
        for name, kind, media in bodies()
        if "json" in kind
        for problem in problems_of(media["schema"], media["example"])
    ]

    assert wrong == []


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_example_of_an_answer_matches_its_type(name: str) -> None:
    assert problems_of(SCHEMAS[name], ANSWERS[name]) == []
    assert SCHEMAS[name]["examples"] == [ANSWERS[name]]


def test_every_answer_has_an_example_or_is_a_page_of_items_that_have_one() -> None:
    without = set()
    for _, _, answer in answers():
        for media in answer.get("content", {}).values():
            for reference in references(media.get("schema", {})):
                kind = resolved({"$ref": reference})
                items = [resolved(one["items"]) for one in kind.get("properties", {}).values() if "items" in one]
                if "examples" not in kind and not (items and all("examples" in one for one in items)):
                    without.add(reference)

    assert without == set(), "add it to src/bunbase/gateway/answer_examples.py, or to user_answers.py"


def test_a_document_may_have_any_fields_beside_its_typed_system_fields() -> None:
    page = {"$ref": "#/components/schemas/DocumentPage"}
    system = {"_id": "a", "_rev": 1, "_created": "2026-01-05T06:00:00.000Z", "_updated": "2026-01-05T06:00:00.000Z"}

    assert problems_of(page, {"items": [system | {"title": "Rye", "tags": ["a"]}], "next": None}) == []
    assert problems_of(page, {"items": [{"_id": 7}], "next": None}) != []
    assert problems_of({"$ref": "#/components/schemas/Document"}, {"_id": "a", "title": "Rye"}) != []


def test_a_misspelt_member_of_a_query_does_not_match_its_type() -> None:
    query = {"$ref": "#/components/schemas/DocumentQuery"}

    assert problems_of(query, {"where": {"price": {"$lt": 20}}, "sort": ["-_created"], "limit": 5}) == []
    assert problems_of(query, {"were": {}}) != []
    assert problems_of(query, {"limit": 501}) != []


def test_an_answer_of_json_rpc_has_either_a_result_or_an_error() -> None:
    answer = {"$ref": "#/components/schemas/RpcAnswer"}
    head = {"jsonrpc": "2.0", "id": None}

    assert problems_of(answer, head | {"result": None}) == []
    assert problems_of(answer, head | {"error": {"code": -32700, "message": "Parse error"}}) == []
    assert problems_of(answer, head | {"error": {"code": "parse_error"}}) != []


@pytest.mark.parametrize("name", ["Signup", "NewUser", "UserChanges"])
def test_an_empty_email_address_of_an_end_user_does_not_match_its_schema(name: str) -> None:
    assert SCHEMAS[name]["properties"]["email"]["minLength"] == 3


def test_preconditions_have_the_forms_that_the_server_accepts() -> None:
    item = DOCUMENT["paths"]["/v1/data/{collection}/{id}"]
    headers = {
        (method, one["name"]): one["schema"]
        for method in ("get", "put", "patch", "delete")
        for one in item[method]["parameters"]
        if one["in"] == "header"
    }

    for method in ("put", "patch", "delete"):
        assert (
            problems_of(headers[method, "If-Match"], '"3"') == problems_of(headers[method, "If-None-Match"], "*") == []
        )
        assert problems_of(headers[method, "If-Match"], "3") != []
        assert problems_of(headers[method, "If-None-Match"], '"3"') != []
    for sent, matches in (("*", True), ('"3"', True), ('W/"3", "4"', True), ("3", False), ("", False)):
        assert (problems_of(headers["get", "If-None-Match"], sent) == []) is matches, sent


def test_every_header_of_an_answer_has_a_schema() -> None:
    """OpenAPI 3.1 requires it, and validators refuse the whole document otherwise."""
    answered = [
        (path, name, header)
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
        for answer in operation["responses"].values()
        for name, header in answer.get("headers", {}).items()
    ]

    assert answered
    assert [(path, name) for path, name, header in answered if "schema" not in header] == []


# These fields of requests take any text. A wrong address finds nobody, and the answer does not tell this.
ANY_EMAIL = {"Login", "UserLogin", "CodeLogin", "BulkFilter", "Who"}
PRESENT_PASSWORD = {"Login", "UserLogin", "Proof", "RegisterByInvite"}  # The empty password is allowed here.


def request_types() -> set[str]:
    """Return the names of all types in request bodies."""
    found: set[str] = set()
    waiting = [reference for _, _, media in bodies() for reference in references(media)]
    while waiting:
        name = waiting.pop().rpartition("/")[2]
        if name not in found:
            found.add(name)
            waiting += references(SCHEMAS[name])
    return found


def test_addresses_and_new_passwords_in_requests_have_the_form_that_the_server_demands() -> None:
    texts = [
        (name, field, schema)
        for name in request_types()
        for field, schema in SCHEMAS[name].get("properties", {}).items()
        if "string" in schema.get("type", ())
    ]

    emails = {name: schema.get("format") for name, field, schema in texts if field == "email"}
    passwords = {name: schema.get("minLength") for name, field, schema in texts if field == "password"}

    assert len(emails) > 10
    assert len(passwords) > 8
    assert {name for name, form in emails.items() if form != "email"} == ANY_EMAIL
    assert {name for name, least in passwords.items() if least != 8} == PRESENT_PASSWORD


def test_times_in_queries_have_the_form_that_the_server_demands() -> None:
    times = [
        (name, parameter)
        for name, operation in OPERATIONS
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and "RFC 3339" in parameter.get("description", "")
    ]

    assert len(times) > 10
    assert [name for name, parameter in times if parameter["schema"].get("format") != "date-time"] == []


def test_every_name_of_a_collection_in_a_query_has_a_pattern() -> None:
    named = [
        (name, parameter["schema"])
        for name, operation in OPERATIONS
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "collection"
    ]

    assert [name for name, schema in named if "pattern" not in schema] == []
