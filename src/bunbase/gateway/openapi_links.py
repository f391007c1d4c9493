"""The links of the OpenAPI document: from an answer that names a resource to the operations on this resource.

Programs that explore an API follow these links, for example to create a document, read it and delete it. The links
come from the paths: a `POST` to `/things` leads to `/things/{thing}` and to `/things/{thing}/action`, and a `PUT` to
`/things/{thing}` leads to the other operations there. MORE lists the links that no path shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

Document = dict[str, Any]

METHODS: Final = ("get", "put", "post", "patch", "delete")
PARAMETER: Final = re.compile(r"\{(\w+)\}")
CHILD: Final = re.compile(r"(?:/[a-z-]+)?")  # The resource itself, or one action or list below it.

# For each operation, these are the operations that a link leads to, with the parameters that no path shows.
JOB: Final = {"getBackupJob": {"project": "$request.path.project", "job": "$response.body#/id"}}
BUCKET: Final = {"bucket": "$response.body#/name"}
MORE: Final[dict[str, dict[str, dict[str, str]]]] = {
    "putCollection": {
        "createDocument": {"collection": "$request.path.collection"},
        "listDocuments": {"collection": "$request.path.collection"},
        "queryDocuments": {"collection": "$request.path.collection"},
    },
    "createBackup": JOB,
    "createBucket": {"getBucket": BUCKET, "updateBucket": BUCKET, "deleteBucket": BUCKET},
    "restoreBackup": JOB,
}
LATER: Final = frozenset({"createBackup"})  # The answer names a resource that a job makes later.


def add_links(document: Document) -> None:
    """Add links to the answers of the document, in place."""
    ids = {one["operationId"] for path in document["paths"].values() for one in _operations(path).values()}
    for path, item in document["paths"].items():
        for method, operation in _operations(item).items():
            for answer, fields in _answers(document, operation):
                name = operation["operationId"]
                links = {} if name in LATER else dict(_found(document, method, path, fields))
                links |= MORE.get(name, {})
                if links:
                    answer["links"] = {
                        target: {"operationId": target, "parameters": parameters}
                        for target, parameters in sorted(links.items())
                        if target in ids
                    }


def _operations(item: Document) -> dict[str, Document]:
    return {method: item[method] for method in METHODS if method in item}


def _answers(document: Document, operation: Document) -> Iterator[tuple[Document, Document]]:
    """Yield the successful answers that are JSON objects, with the schemas of their fields."""
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        fields = _resolved(document, schema).get("properties", {})
        if status.startswith("2") and fields:
            yield answer, fields


def _found(document: Document, method: str, path: str, fields: Document) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the operations on the resource that an answer names, with their parameters."""
    known = {name: f"$request.path.{name}" for name in PARAMETER.findall(path)}
    for other, item in document["paths"].items():
        parameters = known
        below = other.removeprefix(path)
        if below == other:
            continue
        if method == "post" and (made := re.match(r"/\{(\w+)\}", below)):
            field = _id_of(document, made[1], fields)
            if field is None:
                continue
            parameters, below = known | {made[1]: f"$response.body#/{field}"}, below[made.end() :]
        elif method != "put" or path.rpartition("/")[2][0] != "{":
            continue
        if CHILD.fullmatch(below):
            for verb, operation in _operations(item).items():
                if (verb, other) != (method, path):
                    yield operation["operationId"], parameters


def _id_of(document: Document, parameter: str, fields: Document) -> str | None:
    """Return the field of an answer that is the value of a path parameter, as a JSON Pointer, or None."""
    for name in (parameter, f"_{parameter}", "id"):
        schema = _resolved(document, fields.get(name, {}))
        if schema.get("type") == "string":
            return name
        if _resolved(document, schema.get("properties", {}).get("id", {})).get("type") == "string":
            return f"{name}/id"
    return None


def _resolved(document: Document, schema: Document) -> Document:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
