"""bunbase.toml describes the whole project: a person pulls the file, edits it, looks at the diff, and deploys it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.instance import Instance
from tests.e2e.terminal import Terminal

FILE = """\
# the shop
[collections.posts]
strict = true # nothing else
expires = "ends_at"
indexes = [{ fields = ["slug"], unique = true }, { fields = ["-likes"] }]

[collections.posts.schema]
required = ["title"]
properties.title = { type = "string", maxLength = 20 } # short
properties.slug = { type = "string" }
properties.likes = { type = "integer" }
properties.ends_at = { type = "string", format = "date-time" }

[collections.posts.rules]
get = "true"

[collections.notes]
rules = "collections/notes.rules.toml"

[auth]
app_name = "Shop"

[functions.hello]
timeout_ms = 5_000 # quick
"""
HELLO = 'export default () => new Response("hi");'


@pytest.fixture(scope="module")
def dev(running_dev: Instance) -> Instance:
    running_dev.bunbase("register", "--email", "ada@example.com")
    return running_dev


class Shop:
    """A new project, and a folder with its bunbase.toml."""

    def __init__(self, dev: Instance, folder: Path) -> None:
        self.dev, self.folder = dev, folder
        folder.mkdir()
        self.made = dev.bunbase_json("projects", "create", folder.name, cwd=folder)
        self.file = folder / "bunbase.toml"
        self.file.write_text(FILE)
        (folder / "collections").mkdir()
        (folder / "collections/notes.rules.toml").write_text('create = "auth != null" # signed in\n')
        (folder / "functions").mkdir()
        (folder / "functions/hello.ts").write_text(HELLO)

    def bunbase(self, *words: str, code: int = 0) -> str:
        return self.dev.bunbase(*words, "--project", self.made["slug"], cwd=self.folder, code=code)

    def json(self, *words: str, code: int = 0) -> Any:
        return msgspec.json.decode(self.bunbase(*words, "--json", code=code))

    def problem(self, *words: str, code: int = 2) -> Any:
        return self.dev.bunbase_problem(*words, "--project", self.made["slug"], cwd=self.folder, code=code)

    def edit(self, before: str, after: str) -> None:
        text = self.file.read_text()
        assert before in text
        self.file.write_text(text.replace(before, after))

    def put(self, collection: str, *documents: dict[str, Any]) -> None:
        for document in documents:
            assert self.write(collection, document) == (201, "")

    def write(self, collection: str, document: dict[str, Any]) -> tuple[int, str]:
        """Return the status and the code of the problem."""
        key = next(one["key"] for one in self.made["keys"] if one["kind"] == "secret")
        answer = self.dev.http.post(f"/v1/data/{collection}", json=document, headers={"x-bunbase-key": key})
        return answer.status_code, answer.json().get("code", "")


@pytest.fixture
def shop(dev: Instance, request: pytest.FixtureRequest) -> Shop:
    return Shop(dev, dev.home / request.node.name[:40])


def changes(plan: Any) -> dict[str, str]:
    return {one["name"]: one["class"] for one in plan["items"]}


def test_a_person_deploys_a_file_pulls_it_edits_it_and_deploys_again(shop: Shop) -> None:
    planned = shop.json("diff", code=5)
    rehearsed = shop.json("deploy", "--dry-run")
    deployed = shop.json("deploy")
    after = shop.json("diff")
    again = shop.json("deploy")
    shop.bunbase("pull")
    unchanged = shop.file.read_text()
    shop.edit('app_name = "Shop"', 'app_name = "Bakery"')
    shop.edit("maxLength = 20", "maxLength = 30")
    shop.edit('{ fields = ["-likes"] }', '{ fields = ["-likes", "title"] }')
    edited = shop.json("diff", code=5)
    shop.bunbase("deploy")

    new = {"posts": "additive", "notes": "additive", "functions.hello": "additive", "auth.app_name": "additive"}
    assert changes(planned) == new
    assert planned["project"]["slug"] == shop.made["slug"]
    assert planned["counts"] == {"additive": 4, "rewriting": 0, "losing": 0}
    assert [one["name"] for one in rehearsed["changes"]] == list(new)
    assert [one["outcome"] for one in deployed["items"]] == ["deployed"]
    assert {one["name"]: one["outcome"] for one in deployed["steps"]} == dict.fromkeys(
        ("posts", "notes", "auth"), "applied"
    )
    assert after["items"] == []
    assert again["items"][0]["outcome"] == "unchanged"
    assert unchanged == FILE
    assert changes(edited) == {
        "posts.schema": "rewriting",
        "posts.indexes.-likes,title": "rewriting",
        "posts.indexes.desc_likes": "rewriting",
        "auth.app_name": "rewriting",
    }
    assert shop.json("diff")["items"] == []


def test_a_pull_into_an_empty_folder_describes_the_project_and_a_deployment_of_it_changes_nothing(shop: Shop) -> None:
    shop.edit("[collections.posts.rules]\n", '[collections.posts.rules]\nhidden = { likes = "auth == null" }\n')
    shop.bunbase("deploy")
    shop.file.unlink()

    shown = shop.bunbase("pull", "--dry-run")
    absent = not shop.file.exists()
    shop.bunbase("pull")

    assert absent
    assert "+[collections.posts.schema]" in shown
    found = tomllib.loads(shop.file.read_text())
    assert found["project"]["slug"] == shop.made["slug"]
    assert found["collections"]["posts"]["rules"] == {"get": "true", "hidden": {"likes": "auth == null"}}
    assert found["collections"]["posts"]["schema"] == tomllib.loads(FILE)["collections"]["posts"]["schema"]
    assert found["functions"]["hello"] == {"timeout_ms": 5000}
    assert shop.json("diff")["items"] == []


def test_a_change_that_loses_something_waits_until_it_is_named(shop: Shop) -> None:
    shop.bunbase("deploy")
    shop.put("posts", {"title": "a long title indeed", "likes": 1}, {"title": "short"}, {"title": "no", "likes": 2})
    shop.edit("maxLength = 20", "maxLength = 10")
    shop.edit('["title"]', '["title", "likes"]')

    planned = shop.json("diff", code=5)
    shop.bunbase("deploy", code=2)
    shop.bunbase("deploy", "--dry-run", code=2)
    refused = shop.problem("deploy", "--allow-losing", "posts.title", "--allow-losing", "posts.lik")
    shop.bunbase("deploy", "--dry-run", "--allow-losing", "posts.title", "--allow-losing", "posts.likes")
    kept = shop.json("diff", code=5)
    shop.bunbase("deploy", "--allow-losing", "posts.title", "--allow-losing", "posts.likes")

    losing = {one["name"]: (one["class"], one["documents"]) for one in planned["items"]}
    assert losing == {"posts.title": ("losing", 1), "posts.likes": ("losing", 1)}
    assert kept["items"] == planned["items"]
    assert [one["name"] for one in refused["items"]] == ["posts.likes"]
    assert (
        "--allow-losing posts.lik names no losing change of this plan. Did you mean posts.likes?" in refused["detail"]
    )
    assert shop.json("diff")["items"] == []


def test_a_rule_that_is_not_valid_is_named_with_its_collection(shop: Shop) -> None:
    shop.edit('get = "true"', "get = \"auth.uid = 'a'\"")

    refused = shop.problem("deploy", code=1)

    assert (refused["code"], refused["collection"]) == ("invalid_rule", "posts")
    assert refused["detail"].startswith("A rule of posts is not valid. get: Line 1")


def test_a_query_that_finds_nothing_names_a_collection_that_does_not_exist(shop: Shop) -> None:
    shop.bunbase("collections", "create", "posts")

    refused = shop.problem("data", "query", "pots", code=1)
    empty = shop.json("data", "query", "posts")

    assert (refused["code"], "Did you mean posts?" in refused["detail"]) == ("collection_not_found", True)
    assert empty["items"] == []


def test_documents_that_would_end_at_once_are_counted(shop: Shop) -> None:
    shop.edit('expires = "ends_at"\n', "")
    shop.bunbase("deploy")
    shop.put("posts", *({"title": f"of {year}", "ends_at": f"{year}-01-01T00:00:00Z"} for year in (1999, 2999)))
    shop.edit("strict = true", 'expires = "ends_at"\nstrict = true')

    planned = shop.json("diff", code=5)

    assert [(one["name"], one["class"], one["documents"]) for one in planned["items"]] == [
        ("posts.expires", "losing", 1)
    ]


def test_a_unique_index_over_equal_values_is_refused_before_anything_changes(shop: Shop) -> None:
    shop.edit(", unique = true", "")
    shop.bunbase("deploy")
    shop.put("posts", *({"title": f"n {n}", "slug": "same"} for n in range(3)), {"title": "none"}, {"title": "neither"})
    shop.edit('{ fields = ["slug"] }', '{ fields = ["slug"], unique = true }')
    shop.edit('app_name = "Shop"', 'app_name = "Bakery"')

    planned = shop.json("diff", code=5)
    shop.bunbase("deploy", "--allow-losing", "posts.indexes.slug", code=1)

    blocked = next(one for one in planned["items"] if one.get("blocked"))
    assert (blocked["name"], blocked["class"], blocked["documents"]) == ("posts.indexes.slug", "losing", 2)
    assert "auth.app_name" in changes(shop.json("diff", code=5))


ASKING = 'export const hooks = { beforeWrite: () => ({ refuse: "Closed.", code: "closed" }) };'


def test_a_function_that_cannot_decide_about_writes_stops_the_deployment(shop: Shop) -> None:
    shop.edit("strict = true # nothing else", 'strict = true # nothing else\nbefore_write = { function = "gate" }')

    missing = shop.problem("deploy", code=1)
    (shop.folder / "functions/gate.ts").write_text(HELLO)
    empty = shop.problem("deploy", "--dry-run", code=1)

    assert (missing["code"], empty["code"]) == ("blocked_change", "blocked_change")
    assert "the function gate is neither in this folder nor in the project" in missing["detail"]
    assert "gate has no hooks.beforeWrite" in empty["detail"]
    assert shop.json("functions", "list")["items"] == []


def test_a_collection_begins_to_ask_when_its_function_is_uploaded(shop: Shop) -> None:
    shop.bunbase("deploy")
    shop.edit("strict = true # nothing else", 'strict = true # nothing else\nbefore_write = { function = "gate" }')
    shop.edit("[auth]", '[collections.fresh]\nbefore_write = { function = "gate" }\n\n[auth]')
    (shop.folder / "functions/gate.ts").write_text("export const hooks = { beforeWrite(")
    shop.problem("deploy", code=1)
    (shop.folder / "functions/gate.ts").write_text(ASKING)

    done = shop.json("deploy")

    assert [step["name"] for step in done["steps"]] == ["fresh", "posts"]
    assert [item["outcome"] for item in done["items"]] == ["deployed", "unchanged"]
    assert shop.write("posts", {"_id": "a", "title": "A"}) == (403, "write_refused")
    assert shop.write("fresh", {"_id": "a"}) == (403, "write_refused")
    assert shop.bunbase("diff").count("before_write") == 0


def test_other_things_stay_and_collections_are_dropped_only_if_the_file_says_so(shop: Shop) -> None:
    shop.bunbase("deploy")
    shop.put("notes", {"_id": "n"})
    without = FILE.replace('[collections.notes]\nrules = "collections/notes.rules.toml"\n\n', "")
    shop.file.write_text(without.replace('expires = "ends_at"\n', "").replace('app_name = "Shop"\n', ""))

    partial = shop.json("diff")
    shop.file.write_text(f"{without}\n[deploy]\ndrop_collections = true\n")
    planned = shop.json("diff", code=5)
    shop.bunbase("deploy", code=2)
    shop.bunbase("deploy", "--allow-losing", "notes")

    assert partial["items"] == []
    assert [(one["name"], one["class"], one["documents"]) for one in planned["items"]] == [("notes", "losing", 1)]
    assert [one["name"] for one in shop.json("collections", "list")["items"]] == ["posts"]


def test_channels_are_part_of_the_file(shop: Shop) -> None:
    shop.bunbase("deploy")
    with shop.file.open("a") as file:
        file.write('[channels."rooms/{room}"]\nrules = { publish = "params.room == auth.uid" }\npresence = true\n')

    assert changes(shop.json("diff", code=5)) == {"channels.rooms/{room}": "additive"}
    shop.bunbase("deploy")
    assert changes(shop.json("diff")) == {}
    assert shop.json("pull")["files"] == []
    shop.edit("params.room", "params.hall")
    assert shop.json("deploy", code=1)["steps"][0]["problem"]["code"] == "invalid_rule"


def test_buckets_are_part_of_the_file(shop: Shop) -> None:
    shop.bunbase("deploy")
    before = shop.file.read_text()
    shop.file.write_text(before + "[buckets.photos]\nmime = ['image/*']\n[buckets.films]\nmax_bytes = 1000\n")

    assert changes(shop.json("diff", code=5)) == {"buckets.photos": "additive", "buckets.films": "additive"}
    shop.bunbase("deploy")
    assert changes(shop.json("diff")) == {}
    assert shop.json("pull")["files"] == []
    shop.edit("max_bytes = 1000", "rules = { get = 'object.sise > 1' }")
    assert shop.json("deploy", code=1)["steps"][0]["problem"]["code"] == "invalid_rule"
    shop.edit("sise", "size")
    assert changes(shop.json("diff", code=5)) == {"buckets.films.rules": "rewriting"}
    shop.bunbase("deploy")
    assert "max_bytes = 1000" in shop.bunbase("pull") + shop.file.read_text()  # it was left out, and stayed
    shop.edit("max_bytes = 1000", "max_bytes = 2000")
    assert changes(shop.json("diff", code=5)) == {"buckets.films.max_bytes": "rewriting"}
    shop.bunbase("deploy")

    shop.file.write_text(before + "[buckets.photos]\nmime = ['image/*']\n[deploy]\ndrop_buckets = true\n")
    assert changes(shop.json("diff", code=5)) == {"buckets.films": "losing"}
    shop.bunbase("deploy", code=2)
    shop.bunbase("deploy", "--allow-losing", "buckets.films")
    assert changes(shop.json("diff")) == {}


def test_collections_that_refer_to_each_other_are_dropped_together(shop: Shop) -> None:
    refer = 'properties.{0} = {{ type = "string", x-ref = "{0}" }}\n'
    schemas = "".join(f"[collections.{a}.schema]\n{refer.format(b)}" for a, b in (("one", "two"), ("two", "one")))
    shop.file.write_text(schemas)
    shop.bunbase("deploy")
    shop.file.write_text("[deploy]\ndrop_collections = true\n")

    shop.bunbase("deploy", "--allow-losing", "one", "--allow-losing", "two")

    assert shop.json("collections", "list")["items"] == []


def test_a_deployment_that_fails_midway_says_what_was_applied_and_can_be_run_again(shop: Shop) -> None:
    shop.edit('app_name = "Shop"', 'redirect_urls = ["http://elsewhere.example"]')

    failed = shop.json("deploy", code=1)
    shop.edit("http://elsewhere", "https://elsewhere")
    again = shop.json("deploy")

    assert [(one["name"], one["outcome"]) for one in failed["steps"]] == [
        ("posts", "applied"),
        ("notes", "applied"),
        ("auth", "failed"),
    ]
    assert failed["steps"][2]["problem"]["code"] == "invalid_input"
    assert failed["items"][0]["outcome"] == "deployed"
    assert [(one["name"], one["outcome"]) for one in again["steps"]] == [("auth", "applied")]
    assert shop.json("diff")["items"] == []


def test_a_mistake_in_the_file_stops_everything(shop: Shop) -> None:
    for before, after, code in (
        ('get = "true"', 'get = "1 +"', 1),
        ("maxLength = 20", "maxLength = -1", 1),
        ("strict = true", "stric = true", 2),
        ("5_000", "5", 2),
    ):
        shop.file.write_text(FILE.replace(before, after))
        shop.bunbase("deploy", code=code)

    assert shop.json("collections", "list")["items"] == []


def test_each_push_applies_its_part_of_the_file(shop: Shop) -> None:
    left = [set(changes(shop.json("diff", code=5)))]
    for part in ("schemas", "rules", "collections", "auth"):
        shop.bunbase(part, "push")
        left.append(set(changes(shop.json("diff", code=5))))

    rest = {"posts.expires", "posts.indexes.-likes", "posts.indexes.slug"}
    assert left == [
        {"posts", "notes", "functions.hello", "auth.app_name"},
        {"notes", "functions.hello", "auth.app_name", "posts.rules.get", *rest},
        {"functions.hello", "auth.app_name", *rest},
        {"functions.hello", "auth.app_name"},
        {"functions.hello"},
    ]


def test_a_terminal_is_not_asked_about_losses_and_shows_the_place_first(shop: Shop) -> None:
    shop.bunbase("deploy")
    shop.file.write_text("[deploy]\ndrop_collections = true\n")
    words = ("deploy", "--project", shop.made["slug"])
    said = []
    for more in ({}, {"CI": "1"}):
        environment = {**shop.dev.environment(), "TERM": "xterm", "COLUMNS": "200", **more}
        with Terminal(words, shop.folder, environment) as terminal:
            said.append(terminal.read_to_the_end(code=2))

    place = f"The project is {shop.made['slug']} ({shop.made['id']}) at {shop.dev.url}, named by --project."
    for text in said:
        assert text.index(place) < text.index("the collection and its documents are deleted")
        assert "--allow-losing notes --allow-losing posts" in text
    assert {one["name"] for one in shop.json("collections", "list")["items"]} == {"notes", "posts"}
    named = (*words, "--allow-losing", "notes", "--allow-losing", "posts")
    with Terminal(named, shop.folder, {**shop.dev.environment(), "TERM": "xterm", "COLUMNS": "200"}) as terminal:
        assert "✓ posts is dropped." in terminal.read_to_the_end()
