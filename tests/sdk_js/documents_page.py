"""The code blocks of docs/documents.md, in each language of the page."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

import httpx

from tests.sdk_js.sites import ROOT, Site

PAGE: Final = ROOT / "docs/documents.md"
BLOCKS: Final = re.compile(r"^```(sh|js|python) run\n(.*?)^```", re.MULTILINE | re.DOTALL)
COLLECTIONS: Final = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [block for named, block in BLOCKS.findall(PAGE.read_text("utf-8")) if named == language]


def described() -> dict[str, Any]:
    """Return the collections that the page describes in bunbase.toml."""
    (described,) = COLLECTIONS.findall(PAGE.read_text("utf-8"))
    found: dict[str, Any] = tomllib.loads(described)["collections"]
    return found


def emptied(site: Site) -> None:
    """Empty the collections of the page."""
    with httpx.Client(base_url=site.url, headers={"X-Bunbase-Key": site.secret}) as http:
        for name, spec in described().items():
            http.delete(f"/v1/collections/{name}")
            http.put(f"/v1/collections/{name}", json=spec).raise_for_status()


def left(site: Site) -> tuple[dict[str, int], list[str]]:
    """Return the cents of each account, and the ids of the tasks."""
    with httpx.Client(base_url=site.url, headers={"X-Bunbase-Key": site.secret}) as http:
        accounts = http.get("/v1/data/accounts").raise_for_status().json()["items"]
        tasks = http.get("/v1/data/tasks").raise_for_status().json()["items"]
    return {one["_id"]: one["cents"] for one in accounts}, [one["_id"] for one in tasks]
