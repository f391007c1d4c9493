"""The requests of `bench/run hostile`. With similar requests, an audit once stopped the whole server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

SLOW: Final = "(a|b|ab){1,300}c"
TEXT: Final = "ab" * (120 << 10)
NUMBERS: Final = list(range(1000))
OBJECT: Final = {f"n{number}": {"x": number} for number in range(45_000)}
MATCHES: Final = f'doc.t.matches("{SLOW}")'
LONG: Final = " && ".join(f"doc.f{number} == null" for number in range(150))

OPEN: Final = "true"
RULES: Final[dict[str, dict[str, Any]]] = {
    "texts": {"list": OPEN, "get": OPEN, "create": OPEN, "update": OPEN},
    "objects": {"list": OPEN, "get": OPEN, "create": OPEN},
    "matching": {"list": MATCHES, "get": MATCHES, "create": MATCHES.replace("doc.", "next.")},
    "ninety": {"get": " || ".join([MATCHES] * 90)},
    "loops": {"get": "doc.n.all(a, doc.n.all(b, a + b >= 0))", "list": "doc.n.all(a, doc.n.all(b, a + b >= 0))"},
    "hidden": {"get": LONG, "list": LONG, "hidden": {f"f{number}": LONG for number in range(40)}},
    "checked": {"create": OPEN, "get": OPEN},
}
SCHEMAS: Final[dict[str, Any]] = {
    "checked": {"properties": {"o": {"items": {"anyOf": [{"const": number} for number in range(900)]}}}}
}
DOCUMENTS: Final[dict[str, Any]] = {
    "texts": {"t": TEXT},
    "objects": {"o": OBJECT},
    "matching": {"t": TEXT},
    "ninety": {"t": TEXT},
    "loops": {"n": NUMBERS},
    "hidden": {f"f{number}": None for number in range(150)},
}

Request = tuple[str, str, Any]  # The method, the path and the body.


def query(collection: str, where: Any, **more: Any) -> Request:
    return "POST", f"/v1/data/{collection}/query", {"where": where, **more}


def attacks() -> Iterator[tuple[str, Request]]:
    """Yield named requests that an end user with a publishable key may send, under the developer's rules."""
    yield "one pattern over 240 KiB", query("texts", {"t": {"$regex": SLOW}})
    yield "six patterns over 240 KiB", query("texts", {"$or": [{"t": {"$regex": SLOW + str(n)}} for n in range(6)]})
    yield "a short page with a pattern", query("texts", {"_id": "d1", "t": {"$regex": SLOW}}, limit=1)
    yield (
        "190 comparisons with objects, 1 MiB",
        query("objects", {"$and": [{"o": {"$ne": {"x": n}}} for n in range(190)]}),
    )
    yield "190 plain comparisons, 1 MiB", query("objects", {"$and": [{"o": {"$ne": n}} for n in range(190)]})
    yield "5 plain comparisons, 1 MiB", query("objects", {"$and": [{"o": {"$ne": n}} for n in range(5)]}, limit=1)
    yield "some fields of 1 MiB", query("objects", {}, select=["o.n1.x", "o.n2.x"])
    yield "a get rule that matches 240 KiB", ("GET", "/v1/data/matching/d1", None)
    yield "a get rule with 90 patterns", ("GET", "/v1/data/ninety/d1", None)
    yield "a list rule that matches 240 KiB", ("GET", "/v1/data/matching?limit=20", None)
    yield "a create rule that matches 240 KiB", ("POST", "/v1/data/matching", {"t": TEXT})
    yield "a get rule that loops", ("GET", "/v1/data/loops/d1", None)
    yield "a list rule that loops", ("GET", "/v1/data/loops?limit=20", None)
    yield "40 long hidden rules", ("GET", "/v1/data/hidden/d1", None)
    yield "40 long hidden rules, a list", ("GET", "/v1/data/hidden?limit=20", None)
    yield "20,000 filters in a filter", query("texts", {"$and": [{}] * 20_000})
    yield "a filter with a list of 30,000", query("texts", {"a": {"$eq": [0] * 30_000}})
    yield (
        "values of an aggregate, 1 MiB",
        (
            "POST",
            "/v1/data/texts/aggregate",
            {"values": {f"v{n}": {"$count": True} for n in range(40_000)}},
        ),
    )
    yield "a document of 1 MiB, small objects", ("POST", "/v1/data/texts", {"o": [{"x": n} for n in range(90_000)]})
    yield "a document of 900 KiB, empty lists", ("POST", "/v1/data/texts", {"o": [[] for _ in range(230_000)]})
    yield "100,000 values under 900 alternatives", ("POST", "/v1/data/checked", {"o": [899] * 100_000})
    yield (
        "an update that adds 20,000 to 20,000",
        (
            "PATCH",
            "/v1/data/texts/d2",
            {"$addToSet": {"o": {"$each": list(range(20_000))}}},
        ),
    )


def encoded(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body, separators=(",", ":")).encode()
