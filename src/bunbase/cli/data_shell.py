"""`bunbase data shell`: read and write documents line by line.

    shop> query posts {"likes": {"$gt": 10}}
    shop> get posts first

A line consists of a verb, its words, and a JSON object at the end, which needs no quotes. Lines may also come from a
file or a pipe; in this case, the first line that fails ends the shell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, Final, NamedTuple

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project, project_shown
from bunbase.cli.collections import listed_collections
from bunbase.cli.data_reading import show_pages, wanted
from bunbase.cli.documents import Documents, filter_of, print_document
from bunbase.cli.errors import OK, Refused, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output, report
from bunbase.cli.session import open_session

SHOWN: Final = 20
LEAVE: Final = frozenset({"exit", "quit", ".exit"})
FAILED: Final = 1


class Verb(NamedTuple):
    """A verb of the shell. `words`: the number of words before the JSON. `writes`: true if the verb needs --write."""

    words: int
    run: Callable[[Documents, list[str], str, Output], None]
    usage: str
    writes: bool = False


def shell(
    *,
    write: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also allow create, put, patch and delete.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Read documents line by line. Type `help` to list all verbs, and `exit` to leave.

    With --write, lines may also change documents.

    Example: bunbase data shell
    """
    out = Output(flags.json)
    attended = sys.stdin.isatty()
    with open_session(flags) as session:
        documents = Documents(session, needed_project(flags.project, session))
        for line in _lines(f"{project_shown(session)}> ", attended):
            try:
                _obey(line, documents, write, out)
            except (Refused, Usage) as failure:
                report(failure, flags.json)
                if not attended:
                    return FAILED
    return OK


def _lines(prompt: str, attended: bool) -> Iterator[str]:
    """Yield the lines that are not empty, until `exit`, the end of stdin, or Ctrl-D."""
    if attended:
        _with_history()
    while True:
        try:
            line = input(prompt) if attended else next(sys.stdin)
        except (EOFError, StopIteration):
            return
        line = line.strip()
        if line in LEAVE:
            return
        if line and not line.startswith("#"):
            yield line


def _with_history() -> None:
    """Let arrow keys edit the line. Nothing is written to a file, because lines may contain secrets."""
    try:
        import readline  # noqa: F401  (the import changes `input`; Windows has no such module)
    except ImportError:
        return


def _obey(line: str, documents: Documents, write: bool, out: Output) -> None:
    name, _, rest = line.partition(" ")
    if name == "help":
        for one in VERBS.values():
            out.line(one.usage + (" (with --write)" if one.writes else ""))
        return
    verb = VERBS.get(name)
    if verb is None:
        raise Usage(f"There is no verb {name}. The verbs are {', '.join(VERBS)}, help and exit.", "unknown_verb")
    if verb.writes and not write:
        raise Usage(f"{name} changes documents: start the shell with --write.", "not_allowed")
    words = rest.split(None, verb.words)
    if len(words) < verb.words:
        raise Usage(f"Write: {verb.usage}", "incomplete_line")
    verb.run(documents, words[: verb.words], words[verb.words] if len(words) > verb.words else "", out)


def _collections(documents: Documents, _words: list[str], _rest: str, out: Output) -> None:
    for collection in listed_collections(documents.session, documents.headers):
        out.line(collection.name)


def _get(documents: Documents, words: list[str], _rest: str, _out: Output) -> None:
    print_document(documents.get(words[0], words[1]), compact=False)


def _query(documents: Documents, words: list[str], rest: str, out: Output) -> None:
    asked = wanted("", "", "", SHOWN)
    if (where := filter_of(rest)) is not None:
        asked["where"] = where
    if not show_pages(islice(documents.pages(words[0], asked), 1), out):
        documents.check_collection(words[0])
        out.hint("No document was found.")


def _count(documents: Documents, words: list[str], rest: str, out: Output) -> None:
    number = documents.count(words[0], filter_of(rest))
    if not number:
        documents.check_collection(words[0])
    out.line(str(number))


def _create(documents: Documents, words: list[str], rest: str, _out: Output) -> None:
    print_document(documents.create(words[0], rest.encode()), compact=False)


def _put(documents: Documents, words: list[str], rest: str, _out: Output) -> None:
    print_document(documents.put(words[0], words[1], rest.encode()), compact=False)


def _patch(documents: Documents, words: list[str], rest: str, _out: Output) -> None:
    print_document(documents.patch(words[0], words[1], rest.encode()), compact=False)


def _delete(documents: Documents, words: list[str], _rest: str, out: Output) -> None:
    documents.delete(words[0], words[1])
    out.done(f"{words[1]} is deleted from {words[0]}.")


VERBS: Final = {
    "collections": Verb(0, _collections, "collections"),
    "get": Verb(2, _get, "get COLLECTION ID"),
    "query": Verb(1, _query, 'query COLLECTION {"likes": {"$gt": 10}}'),
    "count": Verb(1, _count, 'count COLLECTION {"done": true}'),
    "create": Verb(1, _create, 'create COLLECTION {"title": "Hello"}', writes=True),
    "put": Verb(2, _put, 'put COLLECTION ID {"title": "Hello"}', writes=True),
    "patch": Verb(2, _patch, 'patch COLLECTION ID {"title": "Hello"}', writes=True),
    "delete": Verb(2, _delete, "delete COLLECTION ID", writes=True),
}
