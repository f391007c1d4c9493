"""The types with which `npm run types` checks the client, in the form that `bunbase gen types` writes.

python -m tests.sdk_js.database     writes sdk/js/types/database.ts
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bunbase.cli.document_types.collections import CollectionSchema, types_of
from bunbase.cli.document_types.typescript import typescript
from tests.sdk_js.sites import SDK

FILE: Final = SDK / "types/database.ts"
HEADER: Final = "Written by `python -m tests.sdk_js.database` with the emitter of `bunbase gen types`."
TEXT: Final[dict[str, Any]] = {"type": "string"}
STOP: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": TEXT, "at": {"type": "object", "properties": {"lat": {"type": "number"}}}},
}
POSTS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["title", "draft", "likes", "views", "author", "state"],
    "properties": {
        "title": TEXT,
        "draft": {"type": "boolean"},
        "likes": {"type": "integer"},
        "views": {"type": "integer", "x-int64": True},
        "tags": {"type": "array", "items": TEXT},
        "author": TEXT | {"x-ref": "users"},
        "state": {"enum": ["new", "done"]},
        "extra": {},
        "stops": {"type": "array", "items": STOP},
        "place": {"type": "object", "required": ["city"], "properties": {"city": TEXT, "zip": TEXT}},
    },
}
USERS: Final[dict[str, Any]] = {"type": "object", "required": ["name"], "properties": {"name": TEXT}}


def source() -> str:
    schemas = {"posts": POSTS, "users": USERS, "whatever": None}
    return typescript(HEADER, types_of(CollectionSchema(name, schema) for name, schema in schemas.items()))


def main(file: Path = FILE) -> None:
    file.write_text(source(), "utf-8")


if __name__ == "__main__":
    main()
