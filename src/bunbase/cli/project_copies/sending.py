"""Send a checked file to a project: first the settings of its collections, then its users and documents in blocks.

If a document refers to a document of a later block, it is sent again at the end, in rounds, while each round imports at
least one document. Collections begin to call their function (`before_write`) only after the documents are imported:
the first project has already accepted the documents, and the function may not be deployed yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET

from bunbase.cli.errors import Refused
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.plans.collections import present_collections, putting
from bunbase.cli.plans.comparing import is_empty, needed
from bunbase.cli.project_copies.checking import CheckedFile, Sent, sent_lines
from bunbase.cli.project_copies.error_groups import ErrorGroups
from bunbase.cli.project_copies.lines import whole
from bunbase.cli.project_copies.reading import OnBytes
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.backups import Imported, ImportMode
from bunbase.contracts.bundoc.collections import BeforeWrite, Collection, CollectionSpec
from bunbase.contracts.tenant_auth.transfers import MAX_LISTED_ERRORS, ImportedUsers, OnConflict
from bunbase.pkg.ndjson import NDJSON, RefusedLine

T = TypeVar("T", Imported, ImportedUsers)

SILENCE_SECONDS: Final = 120.0
# a block has at most as many lines as an answer lists errors, so that the answer names every refused line
BLOCK_LINES: Final = MAX_LISTED_ERRORS
BLOCK_BYTES: Final = 4 << 20


class Conflict(StrEnum):
    """How to treat a collection, a user or a document that already exists in the project."""

    FAIL = "fail"  # report an error; the existing object stays
    SKIP = "skip"  # the existing object stays
    REPLACE = "replace"


MODES: Final = {Conflict.FAIL: ImportMode.CREATE, Conflict.SKIP: ImportMode.SKIP, Conflict.REPLACE: ImportMode.REPLACE}
ON_CONFLICT: Final = {
    Conflict.FAIL: OnConflict.ERROR,
    Conflict.SKIP: OnConflict.SKIP,
    Conflict.REPLACE: OnConflict.UPDATE,
}


class Choices(msgspec.Struct, frozen=True):
    """The user's choices. `from_line`: the command does not send users and documents in earlier lines."""

    on_conflict: Conflict
    dry_run: bool = False
    from_line: int = 1


class Tally(msgspec.Struct):
    """The counts of an import. `updated`: existing objects that now match the file."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0

    def add(self, answer: Imported | ImportedUsers, sent_again: int = 0) -> None:
        """Add an answer.

        `sent_again`: the number of refused lines that are sent again, and therefore do not count yet.
        """
        self.imported += answer.imported
        self.updated += answer.updated if isinstance(answer, ImportedUsers) else 0
        self.skipped += answer.skipped
        self.failed += answer.failed - sent_again


class Sending:
    """One import.

    `last_line`: all lines up to this line are done, except those in `waiting`, which refer to a missing document.
    """

    def __init__(self, session: Session, project: str, checked: CheckedFile, choices: Choices) -> None:
        self.session = session
        self.project = project
        self.checked = checked
        self.choices = choices
        self.errors = ErrorGroups()
        self.collections, self.users, self.documents = Tally(), Tally(), Tally()
        self.buckets, self.objects = Tally(), Tally()
        self.last_line = choices.from_line - 1
        self.waiting: set[int] = set()
        self.missing: set[str] = set()  # a dry run does not create these collections
        self.asking: dict[str, BeforeWrite] = {}  # for each collection: the function that is set after the import

    def send_settings(self, out: Output) -> None:
        """Create the collections. Treat existing collections as the choices demand."""
        present = present_collections(self.session, self.project)
        for name, (line, settings) in self.checked.settings.items():
            try:
                self._settle(name, line, settings, present.get(name), out)
            except Refused as refused:
                self.collections.failed += 1
                self.errors.add(line, refused.code, f"{name}: {refused.detail}")

    def send_lines(self, file: Path, on_bytes: OnBytes, told: Callable[[], None]) -> None:
        """Send the users and documents.

        Raises: Failure. Then the same file can be sent again from `last_line` + 1.
        """
        lines = (line for line in sent_lines(file, on_bytes) if line.number >= self.choices.from_line)
        for block in _blocks(lines):
            self._send(block)
            self.last_line = block[-1].number
            told()
        while self.waiting and not self.choices.dry_run:
            before = set(self.waiting)
            again = ErrorGroups()
            for block in _blocks(line for line in sent_lines(file, on_bytes) if line.number in before):
                self._send_again(block, again)
                told()
            if self.waiting == before:
                self.documents.failed += len(before)
                for group in again.sorted():
                    self.errors.add_group(group)
                return

    def begin_asking(self, out: Output) -> None:
        """Let the collections call their functions from now on. Print a warning if a function is not deployed yet."""
        for name, hook in self.asking.items() if not self.choices.dry_run else ():
            try:
                putting(self.session, self.project, name, CollectionSpec(before_write=hook))(out)
            except Refused as refused:
                self.errors.add(self.checked.settings[name][0], refused.code, f"{name}: {refused.detail}")

    def _settle(self, name: str, line: int, settings: CollectionSpec, now: Collection | None, out: Output) -> None:
        """Create or change a collection, or note why not. Raises: Refused."""
        wanted = needed(settings if now is None else whole(settings), now)
        hook = wanted.before_write
        wanted_now = msgspec.structs.replace(wanted, before_write=UNSET) if isinstance(hook, BeforeWrite) else wanted
        # true if an earlier import of this file was interrupted before the collection began to call its function
        interrupted = now is not None and now.before_write is None and is_empty(wanted_now)
        if now is not None and is_empty(wanted):
            self.collections.skipped += 1
            return
        resumes = self.choices.on_conflict is Conflict.SKIP and interrupted
        if now is not None and self.choices.on_conflict is not Conflict.REPLACE and not resumes:
            if self.choices.on_conflict is Conflict.SKIP:
                self.collections.skipped += 1
                return
            differing = ", ".join(member for member in wanted.__struct_fields__ if getattr(wanted, member) is not UNSET)
            self.collections.failed += 1
            self.errors.add(line, "collection_exists", f"The project has {name} with another setting: {differing}.")
            return
        if isinstance(hook, BeforeWrite):
            self.asking[name] = hook
        if self.choices.dry_run:
            self.missing |= {name} if now is None else set()
        elif now is None or not is_empty(wanted_now):
            putting(self.session, self.project, name, wanted_now)(out)
        if now is None:
            self.collections.imported += 1
        else:
            self.collections.updated += 1

    def _send(self, block: Sequence[Sent]) -> None:
        if not block[0].collection:
            answer: Imported | ImportedUsers = self._users(block)
            self.users.add(answer)
            self._note(block, answer.errors)
            return
        if self.choices.dry_run:
            known = [one for one in block if one.collection not in self.missing]
            self.documents.imported += len(block) - len(known)
            block = known
        if block:
            done = self._documents(block)
            later = {block[line - 1].number for line in done.unresolved}
            self.waiting |= later
            self.documents.add(done, len(later))
            self._note(block, [one for one in done.errors if block[one.line - 1].number not in later])

    def _send_again(self, block: Sequence[Sent], refused: ErrorGroups) -> None:
        done = self._documents(block)
        later = {block[line - 1].number for line in done.unresolved}
        self.waiting -= {one.number for one in block} - later
        self.documents.add(done, len(later))
        for one in done.errors:
            number = block[one.line - 1].number
            (refused if number in later else self.errors).add(number, one.code, one.detail)

    def _note(self, block: Sequence[Sent], errors: Sequence[RefusedLine]) -> None:
        for one in errors:
            self.errors.add(block[one.line - 1].number, one.code, one.detail)

    def _users(self, block: Sequence[Sent]) -> ImportedUsers:
        headers = {"x-bunbase-project": self.project}
        params = {"on_conflict": ON_CONFLICT[self.choices.on_conflict].value}
        return self._ask(ImportedUsers, "/v1/auth/users/import", params, block, headers)

    def _documents(self, block: Sequence[Sent]) -> Imported:
        params = {"mode": MODES[self.choices.on_conflict].value}
        return self._ask(Imported, at("projects", self.project, "import"), params, block, {})

    def _ask(
        self, kind: type[T], path: str, params: Mapping[str, str], block: Sequence[Sent], headers: Mapping[str, str]
    ) -> T:
        asked = {**params, **({"dry_run": "true"} if self.choices.dry_run else {})}
        content = b"".join(one.text for one in block)
        sent = {**headers, "content-type": NDJSON}
        return self.session.ask(kind, Call("POST", path, asked, sent, content=content, seconds=SILENCE_SECONDS))


def _blocks(lines: Iterator[Sent]) -> Iterator[list[Sent]]:
    """Yield blocks of users or of documents. A block has at least one line."""
    block: list[Sent] = []
    size = 0
    for line in lines:
        if block and (
            len(block) == BLOCK_LINES or size >= BLOCK_BYTES or bool(line.collection) != bool(block[0].collection)
        ):
            yield block
            block, size = [], 0
        block.append(line)
        size += len(line.text)
    if block:
        yield block
