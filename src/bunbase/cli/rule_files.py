"""rules.toml, and the files that test it.

    # rules.toml                               # rules.test.toml
    [posts]                                    [documents.teams.red]      # what look-ups find
    list = "auth.uid == doc.owner"             members = ["ada"]
    get = "auth.uid == doc.owner"
                                               [[case]]
    [posts.hidden]                             name = "the owner reads"
    email = "auth.uid != doc.owner"            collection = "posts"
                                               op = "get"
                                               auth = { uid = "ada" }     # left out: nobody is signed in
                                               doc = { owner = "ada" }
                                               expect = "allow"           # or "deny"
                                               hidden = []                # what of doc is hidden; left out: anything

A test file may be JSON of the same shape instead, where a field has to be null.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from bunbase.cli.errors import Usage
from bunbase.contracts.collections import Rules

RULES: Final = Path("rules.toml")
TESTS: Final = ("rules.test.toml", "rules.test.json", "rules/*.test.toml", "rules/*.test.json")
MAX_CASES: Final = 1000  # in one request, as the server has it

T = TypeVar("T")


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """As `POST /v1/rules/test` takes it."""

    collection: str
    op: str
    auth: dict[str, Any] | None = None
    doc: dict[str, Any] | None = None
    next: dict[str, Any] | None = None
    id: str = ""
    documents: dict[str, dict[str, dict[str, Any]]] | None = None
    now: datetime | None = None


class TestCase(Case, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A case, and what is to come of it."""

    name: str
    expect: Literal["allow", "deny"]
    hidden: list[str] | None = None

    def asked(self) -> Case:
        return Case(*(getattr(self, name) for name in Case.__struct_fields__))


class TestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    case: tuple[TestCase, ...]
    documents: dict[str, dict[str, dict[str, Any]]] = {}


def read_rules(path: Path) -> dict[str, Rules]:
    """Raises: Usage."""
    rules = _read(path, dict[str, Rules])
    if not rules:
        raise Usage(f"{path} has no rules: begin with a collection, such as [posts].", "invalid_rules_file")
    return rules


def read_tests(path: Path) -> TestFile:
    """Raises: Usage."""
    file = _read(path, TestFile)
    if not 1 <= len(file.case) <= MAX_CASES:
        raise Usage(f"{path} has {len(file.case)} cases; a file has 1 to {MAX_CASES}.", "invalid_test_file")
    return file


def test_files(named: tuple[Path, ...]) -> tuple[Path, ...]:
    """Give the files that are named, else those in the usual places. Raises: Usage when there are none."""
    found = named or tuple(path for pattern in TESTS for path in sorted(Path().glob(pattern)))
    if not found:
        raise Usage(f"There are no tests of rules here: write {TESTS[0]}, or name the files.", "no_tests")
    return found


def _read(path: Path, kind: type[T]) -> T:
    decode: Any = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        content: T = decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}.", "unreadable_file") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Usage(f"{path}: {error}.", "invalid_rules_file") from None
    return content
