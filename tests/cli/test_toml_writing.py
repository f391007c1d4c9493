"""Changes of bunbase.toml rewrite only the values that differ."""

from __future__ import annotations

import tomllib

import pytest

from bunbase.cli.toml_writing import edited

TEXT = """\
# the top
[collections.gone] # gone
strict = true

# the posts
[collections.posts] # kept
strict = true # yes
[collections.posts.schema.properties]
title = { type = "string" } # short

[[collections.posts.indexes]] # by slug
fields = ["slug"]

[functions.hello]
access = "public"   # for all
# the end
"""


def collections(**posts: object) -> dict[str, object]:
    found = tomllib.loads(TEXT)["collections"]["posts"]
    return {"collections": {"posts": {**found, **posts}}}


def test_a_removed_table_leaves_the_comments_of_what_follows() -> None:
    after = edited(TEXT, collections())

    assert after == TEXT.replace("[collections.gone] # gone\nstrict = true\n", "")


def test_a_changed_value_keeps_its_comment_and_all_others() -> None:
    after = edited(TEXT, collections(strict=False, indexes=[{"fields": ["slug"], "unique": True}, {"fields": ["a"]}]))

    for line in ("# kept", "# yes", "# short", "# by slug", 'access = "public"   # for all', "# the end", "# the top"):
        assert line in after
    assert tomllib.loads(after)["collections"]["posts"]["indexes"][0]["unique"] is True


def test_a_new_collection_has_a_heading_of_its_own() -> None:
    assert edited("", {"collections": {"posts": {"strict": True}}}) == "[collections.posts]\nstrict = true\n"
    assert "\n[collections.more]\nstrict = true\n" in edited(
        TEXT, {"collections": {**tomllib.loads(TEXT)["collections"], "more": {"strict": True}}}
    )


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("auth.app_name = 'a' # dotted\n", {"app_name": "b", "mail": {"from": "c"}}),
        (
            "auth = { app_name = 'a' }\n",
            {"app_name": "b", "providers": {"google": {"label": "d", "options": {"a": "b"}}}},
        ),
        ("[auth.mail]\nfrom = 'a'\n[functions.a]\n[auth.captcha]\nprovider = 'x'\n", {"mail": {"from": "b"}}),
        ("[auth]\nx = 1\n[functions.a]\n[auth.mail]\nfrom = 'a'\n", {"app_name": "\x1b[1m", "mail": {"from": "b"}}),
    ],
)
def test_tables_in_every_spelling_can_be_changed(text: str, table: dict[str, object]) -> None:
    after = tomllib.loads(edited(text, {"auth": table}))

    assert after == {**tomllib.loads(text), "auth": table}
