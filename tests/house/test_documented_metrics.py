"""The dashboards and alerts of the docs name only metrics and labels that BunBase has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY

from bunbase.pkg import metrics
from bunbase.pkg.s3.errors import STATUS

DOCS: Final = Path(__file__).parents[2] / "docs"
NAME: Final = re.compile(r"`[^`\n]*?\b(bunbase_[a-z0-9_]+)")
LABELLED: Final = re.compile(r"(bunbase_[a-z0-9_]+)\{([a-z]+)[=!~]+\"([^\"]+)\"\}")
PACKAGES: Final = {("python.md", "bunbase_sdk")}
SUFFIXES: Final = ("_total", "_bucket", "_sum", "_count", "_created")
FILES: Final = ("bunbase_storage_", "bunbase_s3_")


def known_metrics() -> set[str]:
    assert metrics.storage_bytes  # importing the module registers all metrics
    return {family.name for family in REGISTRY.collect()}


def base(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def test_each_metric_of_the_docs_exists() -> None:
    known = known_metrics()
    named = {
        (path.name, name) for path in DOCS.glob("*.md") for name in NAME.findall(path.read_text("utf-8"))
    } - PACKAGES

    assert len(named) > 20
    assert [one for one in sorted(named) if not {one[1], base(one[1])} & known] == []


def test_each_metric_of_files_is_in_the_docs() -> None:
    text = (DOCS / "production.md").read_text("utf-8")
    of_files = [name for name in known_metrics() if name.startswith(FILES)]

    assert len(of_files) >= 6
    assert [name for name in of_files if name not in text] == []


def test_each_code_and_label_of_the_alerts_exists() -> None:
    found = LABELLED.findall((DOCS / "production.md").read_text("utf-8"))
    labels = {"bunbase_s3_requests_total": metrics.s3_requests, "bunbase_storage_swept_total": metrics.storage_swept}
    values = {"code": {"OK", *STATUS}, "why": {"deleted", "orphan", "draft", "multipart", "resumable", "change"}}
    checked = [one for one in found if one[0] in labels]

    assert len(checked) >= 5
    for name, label, text in checked:
        assert label in labels[name]._labelnames, name
        assert set(text.replace("\\|", "|").split("|")) <= values[label], name
