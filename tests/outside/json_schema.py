"""JSON-Schema-Test-Suite, draft 2020-12: each schema becomes the schema of a collection, and each instance a document.

A schema describes a property, so that instances of any type fit, because a document is an object. Schemas whose
instances are all objects run once more without this wrapping.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.outside.project import Project
from tests.outside.tally import Tally

COLLECTION: Final = "suite"
ROOT: Final = "Root__"
OF_DOCUMENTS: Final = ("/",)


def run(suites: Path, project: Project) -> list[Tally]:
    """Return the results of the required tests, of the optional tests and of the formats."""
    folder = suites / "JSON-Schema-Test-Suite" / "tests" / "draft2020-12"
    parts = {
        "required": sorted(folder.glob("*.json")),
        "optional": sorted((folder / "optional").glob("*.json")),
        "formats": sorted((folder / "optional" / "format").glob("*.json")),
    }
    return [_part(project, name, files, bare) for name, files in parts.items() for bare in (False, True)]


def _part(project: Project, name: str, files: list[Path], bare: bool) -> Tally:
    tally = Tally(f"JSON-Schema-Test-Suite 2020-12, {name}{', without a property around' if bare else ''}")
    for file in files:
        for group in json.loads(file.read_text("utf-8")):
            if bare and not all(isinstance(test["data"], dict) for test in group["tests"]):
                continue
            _group(project, tally, file.stem, group, bare)
    return tally


def _group(project: Project, tally: Tally, file: str, group: dict[str, Any], bare: bool) -> None:
    schema = _lifted(group["schema"]) if bare else _wrapped(group["schema"])
    if not isinstance(schema, dict):
        return
    answer = project.send("PUT", f"/v1/collections/{COLLECTION}", {"schema": schema, "rules": {}})
    if answer.status_code >= 300:
        tally.skipped[f"refused: {_reason(answer.json())}"] += len(group["tests"])
        return
    for test in group["tests"]:
        content = msgspec.json.encode(test["data"] if bare else {"v": test["data"]})
        found = project.send("POST", f"/v1/data/{COLLECTION}", raw=content)
        keywords = [one.get("keyword") for one in found.json().get("errors", [])]
        if found.status_code == 422 and not any(keywords):
            tally.skipped[f"no document: {re.sub('[0-9]+', 'N', found.json()['detail'])[:80]}"] += 1
        elif found.status_code == 422 and test["valid"] and file == "format" and keywords == ["format"]:
            tally.known["format is checked (docs/schemas.md)"] += 1
        else:
            right = found.status_code == (201 if test["valid"] else 422)
            name = f"{file}/{group['description']}/{test['description']}"
            tally.check(right, name, f"{found.status_code} {keywords or found.text[:120]}")
    for kept in _documents(project):
        project.send("DELETE", f"/v1/data/{COLLECTION}/{kept}")


def _documents(project: Project) -> Iterator[str]:
    """Yield the ids of all documents. Documents of another schema would make the next schema a losing change."""
    for one in project.send("POST", f"/v1/data/{COLLECTION}/query", {"limit": 500}).json()["items"]:
        yield one["_id"]


def _wrapped(schema: Any) -> dict[str, Any]:
    if isinstance(schema, bool):
        return {"properties": {"v": schema}}
    inner = _at_root(_lifted(schema))
    definitions = inner.pop("$defs", {})
    return {"$defs": {**definitions, ROOT: inner}, "properties": {"v": {"$ref": f"#/$defs/{ROOT}"}}}


def _lifted(schema: Any) -> Any:
    return {name: one for name, one in schema.items() if name != "$schema"} if isinstance(schema, dict) else schema


def _at_root(schema: Any) -> Any:
    """Return the schema with every `$ref` to its root pointing to where the root has moved."""
    if isinstance(schema, dict):
        return {
            name: f"#/$defs/{ROOT}" if name == "$ref" and one == "#" else _at_root(one) for name, one in schema.items()
        }
    return [_at_root(one) for one in schema] if isinstance(schema, list) else schema


def _reason(problem: dict[str, Any]) -> str:
    message = str((problem.get("errors") or [{}])[0].get("message") or problem["detail"])
    return re.sub(r"[0-9]+", "N", re.sub(r"[\"'`].*[\"'`]", "…", message))[:80]
