"""A pull writes what the project has, and a deployment of the result changes nothing: pull ∘ deploy = identity."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from bunbase.cli.auth_file import DEFAULTS, differences
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.plans.buckets import bucket_changes
from bunbase.cli.plans.changes import ChangeClass
from bunbase.cli.plans.channels import channel_changes
from bunbase.cli.plans.comparing import index_changes, is_empty, needed
from bunbase.cli.plans.pulling import Project, Pulled, pulled
from bunbase.cli.plans.wanted import wanted_collections
from bunbase.cli.project_file import read_project_file
from bunbase.cli.toml_writing import same, write_file
from bunbase.contracts.buncast import ChannelRules, ChannelSpec, History
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, IndexState, Rules
from bunbase.contracts.storage import MAX_UPLOAD_BYTES, BucketChanges, BucketRules, BucketSpec, CorsRule
from bunbase.contracts.tenant_auth.settings import ProjectAuth, ShownAuth
from bunbase.pkg.api_json import api_json
from tests.seeds import examples

NO_AUTH: dict[str, Any] = {**DEFAULTS, "secrets": [], "version": 0}
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.dictionaries(KEYS, VALUES, max_size=3)
RULES = st.builds(
    Rules,
    get=st.none() | WORDS,
    create=st.none() | WORDS,
    hidden=st.dictionaries(NAMES, WORDS, max_size=2),
)
INDEXES = st.lists(
    st.builds(
        IndexState,
        name=NAMES,
        fields=st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple),
        unique=st.booleans(),
        ready=st.just(True),
        where=st.none() | SCHEMAS,
        system=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda one: one.name,
).map(tuple)


@st.composite
def collections(draw: st.DrawFn) -> dict[str, Collection]:
    found = {}
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        schema = draw(st.none() | SCHEMAS)
        found[name] = Collection(
            name,
            "",
            draw(INDEXES),
            draw(st.none() | RULES),
            draw(st.none() | NAMES),
            schema,
            draw(st.sampled_from((None, True))),
            max_scan=draw(st.none() | st.integers(1, 100_000_000)),
        )
    return found


AUTHS = st.builds(
    ShownAuth,
    app_name=WORDS,
    signups=st.sampled_from(("open", "closed")),
    verify_emails=st.booleans(),
    redirect_urls=st.lists(WORDS, max_size=2).map(tuple),
    providers=st.dictionaries(
        st.from_regex(r"[a-z]{1,5}", fullmatch=True),
        st.builds(lambda label, options: {"label": label, "options": options}, WORDS, st.dictionaries(KEYS, WORDS)),
        max_size=2,
    ),
    secrets=st.just(("providers.google",)),
    version=st.just(1),
).map(lambda shown: msgspec.json.decode(msgspec.json.encode(shown)))


def pull(project: Project, path: Path) -> Pulled:
    found = pulled(project, read_project_file(path), path, set())
    for one, text in found.files.items():
        write_file(one, text)
    return found


def applied(now: Collection | None, name: str, spec: CollectionSpec) -> Collection:
    """Do what the server does with the members that are sent."""
    before = now or Collection(name, "")
    sent = {member: getattr(spec, member) for member in CollectionSpec.__struct_fields__}
    if isinstance(spec.indexes, tuple):
        names = [one.name or "_".join(one.fields) for one in spec.indexes]
        sent["indexes"] = tuple(
            IndexState(**{**msgspec.structs.asdict(one), "name": name, "ready": True})
            for name, one in zip(names, spec.indexes, strict=True)
        )
    return msgspec.structs.replace(before, **{member: value for member, value in sent.items() if value is not UNSET})


@settings(max_examples=examples(25), deadline=None)
@given(before=collections(), now=collections(), first=AUTHS, then=AUTHS)
def test_after_a_pull_nothing_differs_whatever_the_files_said_before(
    before: dict[str, Collection], now: dict[str, Collection], first: Any, then: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bunbase.toml"
        pull(Project("prj_1", "shop", before, {}, first), path)
        path.write_text(f"{path.read_text()}\n# the end\n")

        pull(Project("prj_1", "shop", now, {}, then), path)
        again = pull(Project("prj_1", "shop", now, {}, then), path)

        file = read_project_file(path)
        wanted = wanted_collections(file)
        assert wanted.keys() == now.keys()
        assert all(is_empty(needed(spec, now[name])) for name, spec in wanted.items())
        assert [one for one in differences(file.auth, then) if "secret" not in one[0]] == []
        assert again.files == {}
        assert "# the end" in path.read_text()


@settings(max_examples=examples(25), deadline=None)
@given(wanted=collections(), now=collections())
def test_after_a_deployment_nothing_differs(wanted: dict[str, Collection], now: dict[str, Collection]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bunbase.toml"
        pull(Project("prj_1", "shop", wanted, {}, NO_AUTH), path)
        specs = wanted_collections(read_project_file(path))

        after = {name: applied(now.get(name), name, needed(spec, now.get(name))) for name, spec in specs.items()}

        assert all(is_empty(needed(spec, after[name])) for name, spec in specs.items())
        assert pull(Project("prj_1", "shop", after, {}, NO_AUTH), path).removed == ()


def test_comments_order_and_another_spelling_of_the_same_survive_a_pull(tmp_path: Path) -> None:
    path = tmp_path / "bunbase.toml"
    text = (
        "# mine\r\n[collections.posts] # the posts\r\nindexes = [{ fields = ['slug'], unique = true }] # no name\r\n"
        "strict = false\r\nschema = { type = 'object' } # small\r\n\r\n[auth]\r\nsignups = 'open' # the default\r\n"
    )
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    index = IndexState("slug_of_posts", ("slug",), True, True)
    posts = Collection("posts", "", (index,), None, None, {"type": "object"})

    same_as_before = pull(Project("prj_1", "shop", {"posts": posts}, {}, NO_AUTH), path)
    changed = msgspec.structs.replace(posts, schema={"type": "object", "required": ["a"]}, expires="ends_at")
    pull(Project("prj_1", "shop", {"posts": changed}, {}, {**NO_AUTH, "app_name": "Shop"}), path)

    after = path.read_bytes()
    assert same_as_before.files == {}
    assert after.startswith(b"\xef\xbb\xbf# mine\r\n[collections.posts] # the posts\r\n")
    assert b"\n" not in after.replace(b"\r\n", b"")
    for comment in ("# no name", "# small", "# the default"):
        assert comment in after.decode()
    assert tomllib.loads(after.decode("utf-8-sig"))["collections"]["posts"]["expires"] == "ends_at"


def test_values_stay_in_the_files_that_the_tables_name_and_null_goes_to_a_file(tmp_path: Path) -> None:
    path, rules = tmp_path / "bunbase.toml", tmp_path / "rules/posts.toml"
    path.write_text('[collections.posts]\nrules = "rules/posts.toml"\n')
    write_file(rules, "# for everybody\nget = 'true' # all\nlist = 'true'\n")
    posts = Collection("posts", "", (), Rules(get="true", create="false"), None, {"default": None})

    found = pull(Project("prj_1", "shop", {"posts": posts}, {}, NO_AUTH), path)

    assert rules.read_text() == "# for everybody\nget = 'true' # all\ncreate = \"false\"\n"
    assert msgspec.json.decode((tmp_path / "collections/posts.schema.json").read_bytes()) == {"default": None}
    assert list(found.files)[-1] == path
    assert same(tomllib.loads(path.read_text())["collections"]["posts"]["rules"], "rules/posts.toml")


def test_a_collection_that_the_project_does_not_have_is_named_when_it_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bunbase.toml"
    path.write_text("[collections.gone]\nstrict = true\n")

    assert pull(Project("prj_1", "shop", {}, {}, NO_AUTH), path).removed == ("gone",)
    assert "gone" not in path.read_text()


def test_an_index_without_a_name_is_the_index_of_the_same_description() -> None:
    now = Collection("posts", "", (IndexState("by_slug", ("slug",), True, True), IndexState("a", ("a",), False, True)))
    spec = msgspec.convert({"indexes": [{"fields": ["slug"], "unique": True}, {"fields": ["b"]}]}, CollectionSpec)
    assert isinstance(spec.indexes, tuple)

    new, gone, sent = index_changes(spec.indexes, now)

    assert [one.fields for one in new] == [("b",)]
    assert [one.name for one in gone] == ["a"]
    assert [one.name for one in sent] == ["by_slug", ""]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("schema = true", "a value, or false for none"),
        ("schema = 'nowhere.json'", "cannot be read"),
        ("schema = '../outside.json'", "is outside of"),
        ("rules = '/etc/hostname'", "is outside of"),
        ("schema = { const = 2026-01-01 }", "as a text"),
        ("schema = { maximum = inf }", "JSON has no number"),
        ("indexes = [{ fields = ['a'], where = { at = 2026-01-01 } }]", "as a text"),
        ("expires = true", "a value, or false for none"),
    ],
)
def test_a_value_that_json_cannot_hold_is_named(tmp_path: Path, table: str, told: str) -> None:
    (tmp_path / "bunbase.toml").write_text(f"[collections.posts]\n{table}\n")

    with pytest.raises(Usage, match=told):
        wanted_collections(read_project_file(tmp_path / "bunbase.toml"))


def test_the_settings_of_the_api_are_the_defaults_without_a_file() -> None:
    assert msgspec.json.decode(api_json(ProjectAuth())) == DEFAULTS


@pytest.mark.parametrize("name", ["posts", "../posts", "/tmp/posts"])
def test_a_pull_writes_nothing_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    (here / "collections").symlink_to(elsewhere)
    posts = Collection(name, "", (), None, None, {"const": None})

    with pytest.raises(Failure, match="is outside of"):
        pull(Project("prj_1", "shop", {name: posts}, {}, NO_AUTH), here / "bunbase.toml")

    assert list(elsewhere.iterdir()) == []


def test_the_json_file_in_place_of_a_toml_file_is_no_link_to_elsewhere(tmp_path: Path) -> None:
    here, kept = tmp_path / "here", tmp_path / "kept.json"
    here.mkdir()
    kept.write_text("{}")
    (here / "bunbase.toml").write_text("[collections.posts]\nschema = 'posts.toml'\n")
    (here / "posts.toml").write_text("type = 'object'\n")
    (here / "posts.json").symlink_to(kept)
    posts = Collection("posts", "", (), None, None, {"const": None})

    with pytest.raises(Failure, match="is outside of"):
        pull(Project("prj_1", "shop", {"posts": posts}, {}, NO_AUTH), here / "bunbase.toml")

    assert kept.read_text() == "{}"


def test_a_link_to_no_file_is_replaced_and_makes_no_file_elsewhere(tmp_path: Path) -> None:
    link = tmp_path / "bunbase.toml"
    link.symlink_to(tmp_path / "elsewhere")

    write_file(link, "x = 1\n")

    assert not link.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_channels_are_written_and_another_spelling_of_the_same_stays(tmp_path: Path) -> None:
    path = tmp_path / "bunbase.toml"
    path.write_text('[channels."rooms/{room}"]\npresence = true # who is here\nhistory = {}\n')
    rooms = ChannelSpec(history=History(), presence=True)
    news = ChannelSpec(ChannelRules(subscribe="true"))

    pull(Project("prj_1", "shop", {}, {}, NO_AUTH, {"rooms/{room}": rooms, "news": news}), path)

    assert read_project_file(path).channels == {"rooms/{room}": rooms, "news": news}
    assert "presence = true # who is here\nhistory = {}\n" in path.read_text()
    pull(Project("prj_1", "shop", {}, {}, NO_AUTH, {"news": news}), path)
    assert read_project_file(path).channels == {"news": news}


def test_buckets_are_written_without_settings_that_have_their_default(tmp_path: Path) -> None:
    path = tmp_path / "bunbase.toml"
    path.write_text("[buckets.photos]\npublic = false # never\nmime = ['image/*']\n")
    photos = BucketSpec(mime=("image/*",))
    films = BucketSpec(max_bytes=1000, rules=BucketRules(get="true"))

    pull(Project("prj_1", "shop", {}, {}, NO_AUTH, {}, {"photos": photos, "films": films}), path)

    kept = BucketChanges(public=False, mime=("image/*",))
    made = BucketChanges(max_bytes=1000, rules=BucketRules(get="true"))
    assert read_project_file(path).buckets == {"photos": kept, "films": made}
    assert not list(bucket_changes(read_project_file(path).buckets, {"photos": photos, "films": films}, [], set()))
    assert "public = false # never\nmime = ['image/*']\n" in path.read_text()
    assert tomllib.loads(path.read_text())["buckets"]["films"] == {"max_bytes": 1000, "rules": {"get": "true"}}
    pull(Project("prj_1", "shop", {}, {}, NO_AUTH, {}, {"films": films}), path)
    assert read_project_file(path).buckets == {"films": made}


def test_each_setting_of_a_bucket_is_a_change_and_a_bucket_with_files_stops_the_plan() -> None:
    now = {"a-1": BucketSpec(), "b-1": BucketSpec(max_bytes=5), "c-1": BucketSpec(), "d-1": BucketSpec()}
    changed = BucketChanges(public=True, max_bytes=MAX_UPLOAD_BYTES, rules=BucketRules(get="true"))
    wanted = {"b-1": changed, "n-1": BucketChanges(), "d-1": BucketChanges(mime=())}

    changes = {one.name: one for one in bucket_changes(wanted, now, ["a-1", "c-1"], {"c-1"})}

    rewriting = {"buckets.b-1.public", "buckets.b-1.max_bytes", "buckets.b-1.rules"}
    assert {name for name, one in changes.items() if one.effect is ChangeClass.REWRITING} == rewriting
    assert [name for name, one in changes.items() if one.effect is ChangeClass.ADDITIVE] == ["buckets.n-1"]
    losing = {name: one.blocked for name, one in changes.items() if one.effect is ChangeClass.LOSING}
    assert losing == {"buckets.a-1": False, "buckets.c-1": True}
    assert list(bucket_changes(wanted, now, [], set())) == [one for one in changes.values() if one.name not in losing]


def test_a_setting_of_a_bucket_that_is_left_out_stays_and_an_empty_one_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "bunbase.toml"
    cors = (CorsRule(("https://app.example.com",), ("GET",)),)
    now = {"photos": BucketSpec(True, 5, ("image/*",), "no-store", BucketRules(get="true"), cors)}

    def planned(text: str) -> list[str]:
        path.write_text(text)
        return [one.name for one in bucket_changes(read_project_file(path).buckets, now, [], set())]

    assert planned("[buckets.photos]\n") == []
    assert planned("[buckets.photos]\nmime = ['image/*']\n") == []
    assert planned("[buckets.photos]\ncors = []\n") == ["buckets.photos.cors"]
    emptied = "[buckets.photos]\npublic = false\nmime = []\ncache_control = ''\nrules = {}\n"
    assert planned(emptied) == [f"buckets.photos.{name}" for name in ("public", "mime", "cache_control", "rules")]


@pytest.mark.parametrize(("drops", "names"), [(False, ["b", "c"]), (True, ["a", "b", "c"])])
def test_only_the_named_channels_change(drops: bool, names: list[str]) -> None:
    now = {"a": ChannelSpec(), "b": ChannelSpec(), "d": ChannelSpec(presence=True)}
    wanted = {"b": ChannelSpec(presence=True), "c": ChannelSpec(), "d": ChannelSpec(presence=True)}

    changes = list(channel_changes(wanted, now, drops))

    assert sorted(one.name.removeprefix("channels.") for one in changes) == names
    assert not any(one.effect is ChangeClass.LOSING for one in changes)
