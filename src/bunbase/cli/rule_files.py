"""Read rules.toml and the files that test it.

    # rules.toml                               # rules.test.toml
    [posts]                                    [documents.teams.red]      # documents that rules can look up
    list = "auth.uid == doc.owner"             members = ["ada"]
    get = "auth.uid == doc.owner"
                                               [[case]]
    [posts.hidden]                             name = "the owner reads"
    email = "auth.uid != doc.owner"            collection = "posts"
                                               op = "get"
                                               auth = { uid = "ada" }     # if left out: nobody is signed in
                                               doc = { owner = "ada" }
                                               expect = "allow"           # or "deny"
                                               hidden = []                # hidden fields; if left out: not checked

A test file may also be JSON of the same shape: TOML has no null.
"""

from __future__ import annotations

import codecs
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from bunbase.cli.errors import Usage
from bunbase.cli.project_file import project_folder
from bunbase.contracts.bundoc.collections import Rules

RULES: Final = "rules.toml"
TESTS: Final = ("rules.test.toml", "rules.test.json", "rules/*.test.toml", "rules/*.test.json")
MAX_CASES: Final = 1000  # one request may have at most this number of cases

T = TypeVar("T")


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One case in the format of `POST /v1/rules/test`."""

    collection: str
    op: str
    auth: dict[str, Any] | None = None
    doc: dict[str, Any] | None = None
    next: dict[str, Any] | None = None
    id: str = ""
    documents: dict[str, dict[str, dict[str, Any]]] | None = None
    now: datetime | None = None


class TestCase(Case, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A case and its expected result."""

    name: str
    expect: Literal["allow", "deny"]
    hidden: list[str] | None = None

    def asked(self) -> Case:
        return Case(*(getattr(self, name) for name in Case.__struct_fields__))


class TestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    case: tuple[TestCase, ...]
    documents: dict[str, dict[str, dict[str, Any]]] = {}


def read_rules(named: Path | None = None) -> dict[str, Rules]:
    """Return the rules of each collection, from the named file or from the project's rules.toml. Raises: Usage."""
    path = named or shown(project_folder() / RULES)
    rules = read_content(path, dict[str, Rules])
    if not rules:
        raise Usage(f"{path} has no rules: start with a collection, such as [posts].", "invalid_rules_file")
    return rules


def has_rules_file() -> bool:
    return (project_folder() / RULES).is_file()


def read_tests(path: Path) -> TestFile:
    """Return the cases of a test file. Raises: Usage."""
    file = read_content(path, TestFile)
    if not 1 <= len(file.case) <= MAX_CASES:
        raise Usage(f"{path} has {len(file.case)} cases; a file must have 1 to {MAX_CASES}.", "invalid_test_file")
    return file


def test_files(named: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the named files, else the files that match TESTS. Raises: Usage if no file is found."""
    folder = project_folder()
    found = named or tuple(shown(path) for pattern in TESTS for path in sorted(folder.glob(pattern)))
    if not found:
        raise Usage(f"There are no rule tests in {folder}: write {TESTS[0]}, or name the files.", "no_tests")
    return found


def shown(path: Path) -> Path:
    """Return the path relative to the current folder if the file is below that folder, to keep messages short."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def read_content(path: Path, kind: type[T], code: str = "invalid_rules_file") -> T:
    """Return the content of a TOML or JSON file. Raises: Usage."""
    decode: Any = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        content: T = decode(path.read_bytes().removeprefix(codecs.BOM_UTF8), type=kind)
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}.", "unreadable_file") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Usage(f"{path}: {error}.", code) from None
    return content
