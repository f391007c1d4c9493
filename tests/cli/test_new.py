from __future__ import annotations

from pathlib import Path

import pytest

from bunbase.cli.entries import entries
from bunbase.cli.functions_new import Template
from bunbase.cli.project_file import read_project_file
from tests.cli.conftest import Bunbase
from tests.cli.test_functions import write


@pytest.mark.parametrize("template", Template)
def test_functions_new_writes_a_function_that_deploy_finds(bunbase: Bunbase, home: Path, template: Template) -> None:
    write(home / "bunbase.toml", "# mine\n[functions.old]\nentry = 'old.ts'\n")

    said = bunbase("functions", "new", "my-fn", "--template", template, "--json")

    assert said.document["files"] == ["functions/my-fn.ts", "tsconfig.json", "bunbase.toml"]
    [entry] = entries(read_project_file(), ["my-fn"])
    assert entry.config
    assert "# mine" in (home / "bunbase.toml").read_text()
    text = (home / "functions/my-fn.ts").read_text()
    assert "<name>" not in text
    assert "bunbase logs my-fn" in text


def test_many_functions_share_one_bunbase_toml(bunbase: Bunbase, home: Path) -> None:
    write(home / "bunbase.toml", "")

    for number, template in enumerate(Template):
        assert bunbase("functions", "new", f"f{number}", "--template", template).code == 0

    assert list(read_project_file().functions) == [f"f{number}" for number in range(len(Template))]
    assert bunbase("functions", "new", "another", "--json").document["files"] == [
        "functions/another.ts",
        "bunbase.toml",
    ]


def test_without_bunbase_toml_only_the_function_is_written(bunbase: Bunbase, home: Path) -> None:
    assert bunbase("functions", "new", "hello").code == 0

    assert not (home / "bunbase.toml").exists()
    assert [entry.name for entry in entries(read_project_file())] == ["hello"]


@pytest.mark.parametrize("taken", ["functions/hello.ts", "functions/hello/index.ts"])
def test_functions_new_overwrites_no_file(bunbase: Bunbase, home: Path, taken: str) -> None:
    write(home / taken, "mine")

    said = bunbase("functions", "new", "hello", "--json")

    assert said.code == 2
    assert said.problem["code"] == "file_exists"
    assert [path.read_text() for path in home.rglob("*") if path.is_file()] == ["mine"]


def test_functions_new_keeps_existing_settings_of_the_function(bunbase: Bunbase, home: Path) -> None:
    write(home / "bunbase.toml", '[functions.hello]\naccess = "user"\n')

    assert bunbase("functions", "new", "hello").code == 0

    assert (home / "bunbase.toml").read_text() == '[functions.hello]\naccess = "user"\n'
