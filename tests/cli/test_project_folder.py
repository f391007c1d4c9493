"""The project's folder is found from its subfolders; messages name the file and the server; files are not rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from bunbase.cli.bundle import Bundled
from bunbase.cli.entries import OTHER_ENDINGS
from tests.cli.conftest import Bunbase, kept
from tests.cli.fake_api import FakeApi

HELLO = "export default () => 'hello';\n"


@pytest.fixture
def project(in_project: FakeApi, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is a project with one function; the current folder is a subfolder of it."""
    (home / "bunbase.toml").write_text('[project]\nid = "prj_1"\n\n[functions.hello]\naccess = "public"\n')
    (home / "functions").mkdir()
    (home / "functions" / "hello.ts").write_text(HELLO)
    (home / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(home / "src" / "deep")
    return home


def test_deploy_in_a_subfolder_deploys_the_project_above_with_its_own_paths(
    project: Path, in_project: FakeApi, bunbase: Bunbase
) -> None:
    deployed = bunbase("deploy", "--json").document

    assert [one["name"] for one in deployed["items"]] == ["hello"]
    (upload,) = in_project.uploads["hello"]
    assert upload.config == {"access": "public"}
    assert b'"functions/hello.ts"' in upload.source_map


def test_every_command_in_a_subfolder_acts_on_the_project_above(project: Path, bunbase: Bunbase) -> None:
    assert bunbase("projects", "create", "Another").code == 0

    assert bunbase("keys", "list", "--json").document["items"][0]["id"] == "key_1"
    assert bunbase("functions", "new", "later").code == 0
    assert (project / "functions" / "later.ts").exists()
    assert "[functions.later]" in (project / "bunbase.toml").read_text()


def test_rules_are_found_from_a_subfolder(project: Path, in_project: FakeApi, bunbase: Bunbase) -> None:
    (project / "rules.toml").write_text('[posts]\nget = "true"\n')

    assert bunbase("rules", "push").code == 0
    assert set(in_project.rules) == {"posts"}
    assert str(project) in bunbase("rules", "test").err


def test_a_new_project_never_changes_bunbase_toml(project: Path, bunbase: Bunbase) -> None:
    before = (project / "bunbase.toml").read_bytes()

    said = bunbase("projects", "create", "Live")

    assert (project / "bunbase.toml").read_bytes() == before
    assert f"{project / 'bunbase.toml'} still names prj_1" in said.err
    assert "bunbase projects use live" in said.err
    chosen = kept().servers[kept().current].project
    assert chosen is not None
    assert chosen.slug == "live"


def test_a_new_project_is_not_written_into_a_bunbase_toml_without_a_project(
    project: Path, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "bunbase.toml").write_text("# empty\n")

    said = bunbase("projects", "create", "Live")

    assert (project / "bunbase.toml").read_text() == "# empty\n"
    assert "bunbase projects use live" in said.err


def test_projects_use_writes_the_file_above(project: Path, bunbase: Bunbase) -> None:
    bunbase("projects", "create", "Live")

    bunbase("projects", "use", "live")

    assert 'slug = "live"' in (project / "bunbase.toml").read_text()


def test_a_byte_order_mark_is_no_error(project: Path, in_project: FakeApi, bunbase: Bunbase) -> None:
    mark = "\ufeff"
    (project / "bunbase.toml").write_text(f'{mark}[project]\nid = "prj_1"\n[server.gateway]\nport = 7\n')
    (project / "rules.toml").write_text(f'{mark}[posts]\nget = "true"\n')

    assert bunbase("deploy").code == 0
    assert bunbase("rules", "push").code == 0
    assert bunbase("functions", "new", "more").code == 0
    assert bunbase("projects", "use", "guestbook").code == 0
    assert "bunbase.toml [server.gateway]" in bunbase("config").out


@pytest.mark.parametrize("words", [("projects", "use", "guestbook"), ("functions", "new", "more")])
def test_a_changed_bunbase_toml_keeps_its_line_ends_its_mark_and_its_link(
    project: Path, in_project: FakeApi, bunbase: Bunbase, words: tuple[str]
) -> None:
    before = b'\xef\xbb\xbf# note\r\n[functions.hello]\r\naccess = "public"\r\n'
    (project / "bunbase.toml").unlink()
    (project / "real.toml").write_bytes(before)
    (project / "real.toml").chmod(0o640)
    (project / "bunbase.toml").symlink_to("real.toml")

    assert bunbase(*words).code == 0

    after = (project / "real.toml").read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)
    assert after.count(b"\n") == after.count(b"\r\n")
    assert (project / "bunbase.toml").is_symlink()
    assert (project / "real.toml").stat().st_mode & 0o777 == 0o640
    assert not list(project.glob(".real*"))


def test_an_unknown_project_names_the_server_and_the_file_that_asked_for_it(
    project: Path, in_project: FakeApi, bunbase: Bunbase
) -> None:
    (project / "bunbase.toml").write_text('[project]\nid = "prj_gone"\n')
    asked = {"server": in_project.url, "project": "prj_gone", "project_from": str(project / "bunbase.toml")}

    for words in (("deploy",), ("functions", "list"), ("keys", "list")):
        said = bunbase(*words)
        assert said.code == 1
        assert f"asked {in_project.url} about the project prj_gone, from {project / 'bunbase.toml'}" in said.err
    assert bunbase("deploy", "--json").problem["asked"] == asked


def test_dev_in_a_subfolder_runs_the_server_in_the_folder_of_the_project(
    project: Path, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[tuple[Path, dict[str, str]]] = []

    def run_dev(settings: dict[str, str], *_: object, **__: object) -> int:
        began.append((Path.cwd(), settings))
        return 0

    monkeypatch.setattr("bunbase.house.run.run_dev", run_dev)

    assert bunbase("dev").code == 0
    monkeypatch.chdir(project / "src")
    assert bunbase("dev", "--data-dir", "data").code == 0

    assert began == [(project, {}), (project, {"house.data_dir": str(project / "src" / "data")})]


@pytest.mark.parametrize("origin", ["--project", "BUNBASE_PROJECT"])
def test_an_unknown_thing_names_what_chose_the_project(
    project: Path, in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    flag = ("--project", "guestbook") if origin == "--project" else ()
    monkeypatch.setenv("BUNBASE_PROJECT", "guestbook")

    said = bunbase("functions", "versions", "nothing", *flag)

    assert f"about the project guestbook, from {origin}" in said.err


@pytest.mark.parametrize("ending", sorted(OTHER_ENDINGS))
def test_a_file_with_another_ending_is_not_passed_over_in_silence(
    project: Path, in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("bunbase.cli.deploying.bundle", lambda _entry: Bundled(b"code", b"{}"))
    for name in (f"one{ending}", f"_shared{ending}", f"hello{ending}", f"two.test{ending}"):
        (project / "functions" / name).write_text(HELLO)

    all_functions = bunbase("deploy")
    by_name = bunbase("deploy", "one")

    assert all_functions.code == 0
    assert all_functions.err.count("is not deployed") == 1
    assert f"functions/one{ending} is not deployed" in all_functions.err
    assert (by_name.code, f'entry = "functions/one{ending}"' in by_name.err) == (2, True)


def test_a_javascript_file_that_bunbase_toml_names_is_deployed(
    project: Path, in_project: FakeApi, bunbase: Bunbase
) -> None:
    (project / "functions" / "one.js").write_text(HELLO)
    (project / "bunbase.toml").write_text('[project]\nid = "prj_1"\n[functions.one]\nentry = "functions/one.js"\n')

    said = bunbase("deploy")

    assert set(in_project.uploads) == {"one", "hello"}
    assert "is not deployed" not in said.err


def test_deploy_says_that_a_name_is_a_collection(project: Path, bunbase: Bunbase) -> None:
    with (project / "bunbase.toml").open("a") as file:
        file.write("\n[collections.items]\n")

    refused = bunbase("deploy", "items")

    assert refused.code == 2
    assert "items is a collection" in refused.err
    assert "`bunbase deploy` without names deploys the collections" in refused.err
