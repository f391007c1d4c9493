"""`bunbase schemas push` saves the schemas of schemas.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi

SCHEMAS = """
[posts]
strict = true

[posts.schema]
required = ["title"]
properties.title = { type = "string" }

[notes.schema]
"""


def test_schemas_push_saves_the_schema_of_every_collection(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    (home / "schemas.toml").write_text(SCHEMAS)

    said = bunbase("schemas", "push", "--json")

    assert said.document["collections"] == ["posts", "notes"]
    title = {"required": ["title"], "properties": {"title": {"type": "string"}}}
    assert in_project.schemas == {
        "posts": {"schema": title, "strict": True},
        "notes": {"schema": {}},
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "has no schemas"),
        ("[posts", "schemas.toml"),
        ("[posts]\nstrict = true", "schema"),
        ("[posts.schema]\n[posts.rules]", "rules"),
    ],
)
def test_an_invalid_schemas_file_is_named_and_changes_nothing(
    in_project: FakeApi, bunbase: Bunbase, home: Path, content: str, why: str
) -> None:
    (home / "schemas.toml").write_text(content)

    said = bunbase("schemas", "push")

    assert said.code == 2
    assert "schemas.toml" in said.err
    assert why in said.err
    assert in_project.schemas == {}
