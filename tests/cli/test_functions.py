from __future__ import annotations

import re
import signal
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.cli.logs import shown_time
from bunbase.cli.project_file import read_project_file
from tests.cli.conftest import EXECUTABLE, Bunbase, executable, kept
from tests.cli.fake_api import REQUEST_ID, FakeApi

HANDLER = "export default () => new Response('hi');\n"


def write(path: Path, text: str = HANDLER) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_init_deploy_and_invoke_work_with_the_real_executable(in_project: FakeApi, home: Path) -> None:
    assert executable("init", "--json").document == {
        "directory": str(home),
        "files": ["bunbase.toml", "functions/hello.ts", "bunbase.schema.json"],
    }
    deployed = executable("deploy", "--json").document
    answer = executable("invoke", "hello", "--path", "?name=Ada")

    assert deployed["project"] == "prj_1"
    assert [(version["name"], version["version"]) for version in deployed["items"]] == [("hello", 1)]
    upload = in_project.uploads["hello"][0]
    assert upload.code.startswith(b"// @bun @bun-cjs")
    assert b"greeting" in upload.source_map
    assert upload.config == {"access": "key", "timeout_ms": 10_000}
    assert answer.code == 0
    assert msgspec.json.decode(answer.out)["query"] == "name=Ada"
    assert answer.err.startswith("200 OK · hello v1 · ")


def test_init_pins_the_chosen_project_and_its_file_is_valid(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    assert bunbase("init", "app").code == 0

    file = read_project_file(home / "app/bunbase.toml")
    assert (file.project.id, file.project.slug) == ("prj_1", "guestbook")
    assert file.functions["hello"].timeout_ms == 10_000


@pytest.mark.parametrize("taken", ["bunbase.toml", "functions/hello.ts"])
def test_init_overwrites_no_file(bunbase: Bunbase, home: Path, taken: str) -> None:
    write(home / taken, "mine")

    said = bunbase("init", "--json")

    assert said.code == 2
    assert taken in said.problem["detail"]
    assert [path.read_text() for path in home.rglob("*") if path.is_file()] == ["mine"]


def test_every_function_of_the_folder_is_deployed(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "functions/one.ts", "import { text } from './_shared'; export default () => new Response(text);")
    write(home / "functions/_shared.ts", "export const text = 'shared text';")
    write(home / "functions/two/index.ts")
    write(home / "functions/two/part.ts")
    write(home / "functions/one.test.ts")
    write(home / "src/three.ts")
    write(home / "bunbase.toml", '[functions.three]\nentry = "src/three.ts"\nallow_net = ["api.example.com"]\n')

    deployed = bunbase("deploy", "--json").document

    assert [version["name"] for version in deployed["items"]] == ["one", "three", "two"]
    assert b"shared text" in in_project.uploads["one"][0].code
    assert in_project.uploads["three"][0].config == {"allow_net": ["api.example.com"]}
    assert in_project.uploads["two"][0].config == {}


def test_only_named_functions_are_deployed(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "functions/one.ts")
    write(home / "functions/two.ts")

    said = bunbase("deploy", "two", "--project", "guestbook")

    assert said.code == 0
    assert list(in_project.uploads) == ["two"]
    assert "deployed two as version 1" in said.err


def test_a_function_that_cannot_be_bundled_stops_all_uploads(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "functions/bad.ts", "export default (")
    write(home / "functions/good.ts")

    said = bunbase("deploy", "--json")

    assert said.code == 1
    assert said.problem["code"] == "bundle_failed"
    assert "bad.ts:1:" in said.problem["detail"]
    assert in_project.uploads == {}


def test_a_bundle_contains_no_environment_variable_of_this_machine(
    in_project: FakeApi, bunbase: Bunbase, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "from the shell")
    write(home / ".env", "OTHER_SECRET=from the file")
    write(
        home / "functions/hello.ts",
        "const { SECRET, OTHER_SECRET } = process.env;\n"
        "export default () => new Response(`${process.env.SECRET}${OTHER_SECRET}${process.env.NODE_ENV}`);",
    )

    assert bunbase("deploy").code == 0

    code = in_project.uploads["hello"][0].code
    assert b"from the" not in code
    assert b"production" in code


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "There is no bunbase.toml in"),
        (["functions/Hello.ts"], "lower-case letters"),
        (["functions/hello.ts", "functions/hello/index.ts"], "remove one"),
    ],
)
def test_an_empty_or_ambiguous_folder_is_a_usage_error(
    in_project: FakeApi, bunbase: Bunbase, home: Path, files: list[str], told: str
) -> None:
    for file in files:
        write(home / file)

    said = bunbase("deploy")

    assert said.code == 2
    assert told in said.err


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (
            "[functions.hello]\ntimeout = 5",
            "there is no setting timeout. Did you mean timeout_ms?",
        ),
        ('[functions.hello]\naccess = "nobody"', "access: This must be one of: "),
        ("[functions.hello]\nmemory_mb = 1", "This must be a whole number of at least 64"),
        ("[functions.Hello]", "lower-case letters"),
        ("[function.hello]", "there is no [function]. Did you mean functions?"),
        ("[project]\nname = 'x'", "[project]: there is no setting name; allowed: id, slug"),
        ("functions = 1", "a table of tables"),
        ("[project", "cannot be read as TOML"),
        ('[functions.hello]\nentry = "nowhere.ts"', "no such file"),
    ],
)
def test_mistakes_in_bunbase_toml_are_named(
    in_project: FakeApi, bunbase: Bunbase, home: Path, toml: str, told: str
) -> None:
    write(home / "bunbase.toml", toml)

    said = bunbase("deploy")

    assert said.code == 2
    assert told in said.err
    assert "bunbase.toml" in said.err


def test_the_servers_section_of_bunbase_toml_is_ignored(home: Path) -> None:
    write(home / "bunbase.toml", "[server.gateway]\nanything = 1\n")

    assert read_project_file().functions == {}


def test_invoke_sends_method_path_headers_and_body(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    write(home / "body.json", '{"a": 1}')

    said = bunbase(
        "invoke", "echo", "--method", "put", "--path", "a/b?c=d&e", "--data", "@body.json", "--header", "X-A: b"
    )

    assert msgspec.json.decode(said.out) == {
        "method": "PUT",
        "path": "/v1/functions/echo/a/b",
        "query": "c=d&e",
        "body": '{"a": 1}',
        "type": "application/json",
    }


def test_invoke_with_data_sends_a_post_with_a_content_type(in_project: FakeApi) -> None:
    said = executable("invoke", "echo", "--data", "@-", input="plain words")

    told = msgspec.json.decode(said.out)
    assert (told["method"], told["body"], told["type"]) == ("POST", "plain words", "text/plain; charset=utf-8")


def test_invoke_with_json_prints_one_document_with_status_and_body(in_project: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("invoke", "teapot", "--json")

    answer = msgspec.json.decode(said.out)
    assert said.code == 1
    assert (answer["status"], answer["version"], answer["invocation"]) == (418, 1, "inv_1")
    assert answer["body"] == {"short": "stout"}
    assert bunbase("invoke", "bytes", "--json").document["body_base64"] == "/wA="


def test_invoke_prints_the_bytes_of_an_answer_unchanged(in_project: FakeApi) -> None:
    done = subprocess.run([EXECUTABLE, "invoke", "bytes"], capture_output=True, timeout=60, check=False)

    assert done.stdout == b"\xff\x00"


def test_an_error_status_of_a_function_prints_its_answer_and_exits_with_1(
    in_project: FakeApi, bunbase: Bunbase
) -> None:
    said = bunbase("invoke", "teapot")

    assert said.code == 1
    assert said.out == '{"short":"stout"}'
    assert "418" in said.err


def test_a_failed_function_prints_the_problem_and_the_command_that_shows_its_log(
    in_project: FakeApi, bunbase: Bunbase
) -> None:
    said = bunbase("invoke", "broken")

    assert said.code == 1
    assert "Its log says why. See: bunbase logs broken --invocation inv_1" in said.err
    assert REQUEST_ID in said.err
    assert said.out == ""
    assert "its log says why. See: bunbase logs unloaded\n" in bunbase("invoke", "unloaded").err


def test_invoke_without_a_kept_key_explains_how_to_get_one(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = kept().server(in_project.url).keys[0].key
    bunbase("logout")
    bunbase("projects", "use", "guestbook")

    said = bunbase("invoke", "echo", "--project", "guestbook")

    assert said.code == 2
    assert "--key" in said.err
    assert "bunbase keys create" in said.err
    assert bunbase("invoke", "echo", "--key", key).code == 0
    monkeypatch.setenv("BUNBASE_KEY", "sk_wrong")
    assert "not valid" in bunbase("invoke", "echo").err


def test_logs_are_shown_oldest_first(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.say("one", "two", "three\x1b]0;title\x07")

    assert [line.split()[-1] for line in bunbase("logs", "hello", "--limit", "2").out.splitlines()] == [
        "two",
        "three]0;title",
    ]
    assert [line["text"] for line in bunbase("logs", "hello", "--json").document["items"]][::-1][:2] == ["one", "two"]


def test_logs_can_be_limited_to_one_invocation(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.say("mine", invocation="inv_a")
    in_project.say("another's", invocation="inv_b")

    said = bunbase("logs", "hello", "--invocation", "inv_a", "--json")

    assert [line["text"] for line in said.document["items"]] == ["mine"]


@pytest.mark.parametrize("option", ["--invocation", "--grep", "--since", "--until", ""])
def test_an_empty_filter_of_logs_is_refused(in_project: FakeApi, bunbase: Bunbase, option: str) -> None:
    """An unset variable of the shell must not show the lines of all functions and calls."""
    in_project.say("one")

    said = bunbase("logs", *(["hello", option] if option else []), "")

    assert (said.code, said.out) == (2, "")
    assert "is empty" in said.err
    assert in_project.asked == []


def test_logs_without_a_line_say_so(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.say("one")

    said = bunbase("logs", "hello", "--invocation", "inv_none")

    assert (said.code, said.out) == (0, "")
    assert "No line of inv_none: it logged nothing" in said.err
    assert "No line was found." in bunbase("logs", "hello", "--grep", "nothing").err


def test_a_shortened_line_is_marked(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.say("long", truncated=True)

    assert bunbase("logs", "hello").out.endswith("long … (shortened)\n")


def test_a_line_of_another_day_is_shown_with_its_date() -> None:
    now = datetime.now().astimezone()

    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", shown_time(now))
    assert shown_time(datetime(2026, 1, 31, 23, 59, 58, 7000).astimezone()) == "2026-01-31 23:59:58.007"


def test_following_begins_with_few_stored_lines(in_project: FakeApi) -> None:
    in_project.say(*map(str, range(30)))

    with subprocess.Popen(
        [str(EXECUTABLE), "logs", "hello", "-f", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first: Any = msgspec.json.decode(process.stdout.readline())
        process.send_signal(signal.SIGINT)

    assert first["text"] == "20"


def test_logs_of_an_unknown_function_are_refused(in_project: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("logs", "nobody").code == 1
    assert bunbase("logs", "nobody", "-f").code == 1


def test_ctrl_c_ends_following_logs_with_exit_code_130(in_project: FakeApi) -> None:
    in_project.say("one")
    command = [str(EXECUTABLE), "logs", "hello", "-f", "--json"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first: Any = msgspec.json.decode(process.stdout.readline())
        in_project.say("two")
        second: Any = msgspec.json.decode(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        code = process.wait(30)

    assert (first["text"], second["text"]) == ("one", "two")
    assert code == 130
