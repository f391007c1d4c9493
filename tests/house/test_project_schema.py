"""The JSON Schema of bunbase.toml accepts what the command accepts, and refuses the mistakes that it refuses."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import jsonschema_rs
import pytest

from bunbase.contracts.project_file import AuthSection, CollectionSection, FunctionSection, ProjectTables
from bunbase.house.project_schema import project_schema

REPOSITORY = Path(__file__).parents[2]

WHOLE = """
[project]
id = "prj_1"
slug = "shop"

[target.staging]
server = "https://staging.example"
project = "shop"

[deploy]
drop_collections = true

[collections.posts]
strict = true
schema = "collections/posts.schema.json"
rules = { get = "true", hidden = { email = "auth == null" } }
indexes = [{ fields = ["slug"], unique = true }, { type = "text", fields = ["body"], weights = { body = 2 } }]
expires = false

[collections.notes]
schema = false
rules = "collections/notes.rules.toml"

[collections.notes_of_users.schema]
properties.title = { type = "string" }

[functions.hello]
entry = "src/hello.ts"
access = "public"
schedule = { cron = "0 9 * * *", time_zone = "Europe/Berlin" }
on = [{ collection = "posts", ops = ["create"] }]

[auth]
app_name = "Shop"

[auth.mail]
from = "Shop"

[auth.providers.google]
kind = "google"
client_secret = { env = "GOOGLE_SECRET" }

[server.gateway]
port = 7071
"""


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(project_schema())


@pytest.mark.parametrize(
    "text",
    [
        "",
        WHOLE,
        (resources.files("bunbase.cli") / "templates" / "bunbase.toml").read_text("utf-8"),
        (REPOSITORY / "examples/todo/bunbase.toml").read_text("utf-8"),
        (REPOSITORY / "examples/household/bunbase.toml").read_text("utf-8"),
        (REPOSITORY / "examples/chat/bunbase.toml").read_text("utf-8"),
    ],
)
def test_a_file_without_mistakes_is_accepted(schema: jsonschema_rs.Validator, text: str) -> None:
    assert [error.message for error in schema.iter_errors(tomllib.loads(text))] == []


@pytest.mark.parametrize(
    "mistake",
    [
        "[function.hello]",
        "[bucket.photos]",
        "[buckets.Photos]",
        "[buckets.photos]\nmax_byte = 1",
        "[functions.hello]\ntimeout = 5",
        '[functions.hello]\naccess = "nobody"',
        "[functions.hello]\nmemory_mb = 1",
        "[functions.Hello]",
        "[collections.posts]\nstric = true",
        "[collections.posts]\nschema = true",
        "[collections.posts]\nindexes = [{ field = ['a'] }]",
        "[collections.posts.rules]\nread = 'true'",
        "[collections.Posts]",
        "[auth]\nsignup = 'open'",
        "[auth.providers.google]\nclient_secret = 'in the file'",
        "[target.staging]\nurl = 'https://x.example'",
        "[deploy]\ndrop = true",
        "[project]\nname = 'x'",
        "[server.gateway]\nprot = 7070",
        "[server.gatewa]",
    ],
)
def test_a_mistake_is_refused(schema: jsonschema_rs.Validator, mistake: str) -> None:
    assert not schema.is_valid(tomllib.loads(mistake))


def test_every_setting_of_a_table_is_in_the_schema() -> None:
    made = project_schema()

    assert set(made["properties"]) == set(ProjectTables.__struct_fields__)
    for kind in (CollectionSection, FunctionSection, AuthSection):
        assert set(made["$defs"][kind.__name__]["properties"]) == set(kind.__struct_encode_fields__)
    assert made["$defs"]["CollectionSection"]["properties"]["strict"]["description"]
