from __future__ import annotations

import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.cli.bundle import bundle
from bunbase.cli.errors import Failure
from bunbase.cli.logs import time_of
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi
from tests.cli.test_functions import HANDLER, write


def outcomes(document: Any) -> dict[str, str]:
    return {item["name"]: item["outcome"] for item in document["items"]}


def test_only_changed_functions_are_uploaded(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    for name in ("code", "lines", "same", "settings"):
        write(home / f"functions/{name}.ts")
    assert set(outcomes(bunbase("deploy", "--json").document).values()) == {"deployed"}

    write(home / "functions/code.ts", HANDLER.replace("hi", "ho"))
    write(home / "functions/lines.ts", f"\n\n{HANDLER}")
    write(home / "bunbase.toml", "[functions.settings]\ntimeout_ms = 500\n\n[functions.same]\ntimeout_ms = 30_000\n")
    deployed = bunbase("deploy", "--json").document

    assert outcomes(deployed) == {
        "code": "deployed",
        "lines": "deployed",  # the code is equal, but the line numbers in stack traces are not
        "same": "unchanged",  # this value is equal to the default
        "settings": "deployed",
    }
    assert [item["version"] for item in deployed["items"]] == [2, 2, 1, 2]
    assert {name: len(uploads) for name, uploads in in_project.uploads.items()} == {
        "code": 2,
        "lines": 2,
        "same": 1,
        "settings": 2,
    }


def test_force_uploads_unchanged_functions_too(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "functions/hello.ts")
    bunbase("deploy")

    assert outcomes(bunbase("deploy", "--force", "--json").document) == {"hello": "deployed"}
    assert len(in_project.uploads["hello"]) == 2


def test_a_dry_run_uploads_nothing(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "functions/old.ts")
    bunbase("deploy")
    write(home / "functions/new.ts")

    planned = bunbase("deploy", "--dry-run", "--json").document

    assert outcomes(planned) == {"old": "unchanged", "new": "to deploy"}
    assert list(in_project.uploads) == ["old"]


def test_a_refused_function_fails_the_command_but_the_others_are_deployed(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    write(home / "functions/bad.ts")
    bunbase("deploy")
    write(home / "functions/bad.ts", HANDLER.replace("hi", "refuse me"))
    write(home / "functions/good.ts")

    said = bunbase("deploy")
    told = bunbase("deploy", "--json")

    assert said.code == told.code == 1
    assert "✗ bad: Error: not today (version 1 stays in service)" in said.err
    document = msgspec.json.decode(told.out)
    assert outcomes(document) == {"bad": "failed", "good": "unchanged"}
    assert document["items"][0]["problem"]["code"] == "invalid_bundle"
    assert document["items"][0]["version"] == 1


def test_all_functions_that_cannot_be_bundled_are_named(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    for name in ("one", "two"):
        write(home / f"functions/{name}.ts", "export default (")

    said = bunbase("deploy")

    assert said.code == 1
    assert "one.ts" in said.err
    assert "two.ts" in said.err


def test_a_source_map_has_paths_relative_to_the_project_and_no_other_path_of_this_machine(home: Path) -> None:
    write(home / "node_modules/pack/index.js", "export const pack = 'pack';")
    write(home.parent / "outside.ts", "export const outside = 'outside';")
    write(
        home / "functions/hello.ts",
        "import { pack } from 'pack'; import { outside } from '../../outside';\nexport default () => pack + outside;",
    )

    made = bundle(Path("functions/hello.ts"))

    assert made.source_map is not None
    map = msgspec.json.decode(made.source_map)
    assert sorted(map["sources"]) == ["functions/hello.ts", "node_modules/pack/index.js", "outside.ts"]
    assert str(home.parent).encode() not in made.source_map
    assert home / "functions/hello.ts" in made.sources


# Bun replaces each of these expressions by a path of this machine, or a script may not contain it.
OF_THE_FILE = (
    "import.meta.url", "import.meta.dir", "import.meta.path", "import.meta.dirname", "import.meta.filename",
    "import.meta.file", "import.meta.env", "import.meta.main", "import.meta.resolve('./x')", "import.meta.resolve",
    "import.meta.resolveSync", "import.meta.require", "import.meta.hot", "import.meta", "import.meta['url']",
    "import.meta?.dir", "__dirname", "__filename", "module.filename", "module.id", "module.path",
    "new URL('./data.txt', import.meta.url).href", "require.resolve('./_shared')", "typeof import.meta",
)  # fmt: skip


@pytest.mark.parametrize("file", ["functions/_shared.ts", "node_modules/pack/index.js", "../outside.ts", "../old.cjs"])
def test_a_bundle_contains_no_path_of_this_machine(home: Path, file: str) -> None:
    write(home / "functions/_shared.ts", "export const shared = 1;")
    write((home / file).parent / "_shared.ts", "export const shared = 2;")
    values = ", ".join(one for one in OF_THE_FILE if not (file.endswith("cjs") and "import.meta" in one))
    write(home / file, f"module.exports = [{values}];" if file.endswith("cjs") else f"export default [{values}];")
    write(
        home / "functions/hello.ts",
        f"import one from {'pack' if 'pack' in file else os.path.relpath(file, 'functions').join(('./', ''))!r};\n"
        f"export default () => [one, {', '.join(OF_THE_FILE)}];",
    )

    made = bundle(Path("functions/hello.ts"))

    assert made.source_map is not None
    for path in (str(home), str(home.parent), str(home.parent.parent), str(Path.home())):
        assert path.encode() not in made.code
        assert path.encode() not in made.source_map
    assert b"import.meta" not in made.code
    assert b"// ../" not in made.code


@pytest.mark.parametrize(
    "code",
    ["const x = await load();", "await load();", "for await (const x of []);", "export const x = (await load()).x"],
)
def test_a_top_level_await_is_refused_with_its_line_and_what_to_write_instead(home: Path, code: str) -> None:
    write(home / "functions/_shared.ts", f"const load = () => {{}};\n{code}\nexport const y = 1;")
    write(home / "functions/hello.ts", "import { y } from './_shared'; export default () => y;")

    with pytest.raises(Failure) as failed:
        bundle(Path("functions/hello.ts"))

    assert "functions/_shared.ts:2:" in failed.value.detail
    assert failed.value.detail.count("error:") == 1
    assert failed.value.detail.endswith("const data = await ready; … }`.")


def test_bundling_a_file_twice_yields_equal_bundles(home: Path) -> None:
    write(home / "functions/hello.ts")

    assert bundle(Path("functions/hello.ts")) == bundle(Path("functions/hello.ts"))


def test_a_missing_file_cannot_be_bundled(home: Path) -> None:
    with pytest.raises(Failure, match=r"nothing\.ts"):
        bundle(Path("functions/nothing.ts"))


def test_a_folder_with_a_backslash_is_named_because_bun_cannot_read_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / "my\\shop"
    write(folder / "functions/hello.ts")
    (home / "shop").symlink_to(folder)

    for here in (folder, home / "shop"):
        monkeypatch.chdir(here)
        with pytest.raises(
            Failure, match=r"Bun takes the backslash in the name my\\shop for a slash.*Rename my\\shop\."
        ):
            bundle(Path("functions/hello.ts"))


def test_functions_and_versions_are_listed(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    assert "No function is deployed yet" in bunbase("functions", "list").err
    for text in ("one", "two", "three"):
        write(home / "functions/hello.ts", HANDLER.replace("hi", text))
        bunbase("deploy")

    assert [one["version"] for one in bunbase("functions", "list", "--json").document["items"]] == [3]
    found = bunbase("functions", "versions", "hello", "--json").document["items"]
    assert [(one["version"], one["active"]) for one in found] == [(3, True), (2, False), (1, False)]
    assert bunbase("functions", "versions", "hello").out.splitlines()[2].split()[:2] == ["*", "3"]
    assert bunbase("functions", "versions", "nothing").code == 1


def test_the_list_of_functions_shows_everything_that_runs_them(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    write(home / "functions/hello.ts")
    write(
        home / "bunbase.toml",
        '[functions.hello]\nschedule = "0 9 * * *"\n'
        'on = [{ collection = "posts" }, { collection = "likes", ops = ["create"], where = { a = 1 } }]\n',
    )
    bunbase("deploy")

    listed = bunbase("functions", "list").out

    for trigger in ("0 9 * * *", "posts", "likes (create) with a filter"):
        assert [line for line in listed.splitlines() if trigger in line], trigger


TRIGGERS = 'allow_net = ["example.com"]\non = [{ collection = "posts" }]\n'


def test_two_versions_are_compared(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "functions/hello.ts")
    bunbase("deploy")
    assert "no version before 1" in bunbase("functions", "diff", "hello").err
    write(home / "functions/hello.ts", HANDLER.replace("hi", "changed"))
    write(home / "bunbase.toml", "[functions.hello]\ntimeout_ms = 500\n" + TRIGGERS)
    bunbase("deploy")

    said = bunbase("functions", "diff", "hello").out

    assert '-var hello_default = () => new Response("hi");' in said
    assert '+var hello_default = () => new Response("changed");' in said
    assert "-timeout_ms = 30000\n+timeout_ms = 500" in said
    added = tomllib.loads("\n".join(line[1:] for line in said.splitlines() if re.match(r"\+\w+ = ", line)))
    assert added["allow_net"] == ["example.com"]
    assert added["on"][0]["collection"] == "posts"
    assert "None" not in said
    assert bunbase("functions", "diff", "hello", "2", "2").out == ""
    assert '+var hello_default = () => new Response("hi");' in bunbase("functions", "diff", "hello", "2", "1").out
    assert bunbase("functions", "diff", "hello", "1", "9").code == 1


def test_a_rollback_activates_the_version_before_the_active_one(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    for text in ("one", "two", "three"):
        write(home / "functions/hello.ts", HANDLER.replace("hi", text))
        bunbase("deploy")

    assert "hello runs version 2." in bunbase("functions", "rollback", "hello").err
    assert bunbase("functions", "rollback", "hello", "1", "--json").document["version"] == 1
    assert bunbase("functions", "rollback", "hello").code == 1
    assert bunbase("functions", "rollback", "hello", "9", "--json").problem["code"] == "version_not_found"


def test_a_function_is_deleted_only_after_a_confirmation(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "functions/hello.ts")
    bunbase("deploy")

    assert bunbase("functions", "delete", "hello").code == 2
    assert bunbase("functions", "delete", "hello", "--confirm", "other").code == 2
    assert in_project.uploads
    assert bunbase("functions", "delete", "hello", "--confirm", "hello", "--json").document["deleted"]
    assert not in_project.uploads
    assert bunbase("functions", "delete", "hello", "--yes").code == 1


def test_the_log_of_all_functions_names_the_function_of_each_line(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.say("mine")
    in_project.say("another's", function="other")

    lines = bunbase("logs").out.splitlines()

    assert [line.split()[-4:] for line in lines] == [
        ["hello", "v1", "info", "mine"],
        ["other", "v1", "info", "another's"],
    ]


def test_the_filters_of_logs_are_sent_to_the_server(in_project: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase(
        *("logs", "hello", "--level", "warn", "--grep", "50% off", "--since", "2026-01-31T12:00:00+01:00"),
        *("--until", "2026-02-01T00:00:00Z", "--invocation", "inv_1", "--of-version", "3"),
    )

    assert said.code == 0
    assert in_project.asked == [
        {
            "limit": "100",
            "level": "warn",
            "q": "50% off",
            "since": "2026-01-31T11:00:00.000Z",
            "until": "2026-02-01T00:00:00.000Z",
            "invocation": "inv_1",
            "version": "3",
        }
    ]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("", ""),
        ("30s", "2026-05-10T11:59:30.000Z"),
        ("15m", "2026-05-10T11:45:00.000Z"),
        ("2h", "2026-05-10T10:00:00.000Z"),
        ("1d", "2026-05-09T12:00:00.000Z"),
        ("2026-05-10T14:00:00+02:00", "2026-05-10T12:00:00.000Z"),
    ],
)
def test_a_time_may_be_a_duration_before_now_or_rfc_3339(text: str, time: str) -> None:
    assert time_of(text, datetime(2026, 5, 10, 12, tzinfo=UTC)) == time


def test_a_deployment_that_drops_a_hook_of_the_project_warns_and_a_function_with_hooks_alone_is_not_invoked(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    write(home / "bunbase.toml", '[auth.hooks]\nbefore_signup = "gate"\nbefore_token = "gate"\n')
    write(home / "functions/gate.ts", "export const hooks = { beforeToken: () => ({}) };")
    assert bunbase("auth", "push").code == 0

    said = bunbase("deploy")

    assert "gate is the hook before_signup of the project" in " ".join(said.err.split())
    assert "hook before_token" not in said.err
    assert "bunbase invoke" not in said.err
