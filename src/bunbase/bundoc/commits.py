"""Read the body of a commit. Each write is checked like a single write at its own URL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, NoReturn

import msgspec

from bunbase.bundoc.documents import check_collection, check_id, document_at, fields_at, new_document
from bunbase.bundoc.query.commit_patterns import CommitPatterns
from bunbase.bundoc.update.parse import has_operators, parse_update
from bunbase.bundoc.writes import Check, CommitStep, Create, Delete, Patch, Put, Update, Write
from bunbase.contracts.bundoc.documents import Precondition
from bunbase.pkg import effort
from bunbase.pkg.errors import InvalidInput, Problem, TooLarge
from bunbase.pkg.ids import new_id
from bunbase.pkg.json_bodies import check_readable, fault_in, unreadable

MAX_WRITES: Final = 500
MAX_COMMIT_BYTES: Final = 8 << 20

Revision = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class SentWrite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One write of a commit.

    `if_rev`: write only if the document has this revision now; 0 means only if none exists.
    """

    op: Literal["create", "put", "patch", "delete", "check"]
    collection: str
    id: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    if_rev: Revision | None = None


class SentCommit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    writes: list[SentWrite]


read_commit: Final = msgspec.json.Decoder(SentCommit).decode


def steps_of(sent: bytes) -> tuple[CommitStep, ...]:
    """Return the steps of a commit.

    Raises: Malformed, TooLarge, InvalidInput. If a write fails, `write` in its Problem is the position of this write in
    the commit.
    """
    commit = _read(sent)
    if not 1 <= len(commit.writes) <= MAX_WRITES:
        _refuse("writes", f"A commit has 1 to {MAX_WRITES} writes; this commit has {len(commit.writes)}.")
    return tuple(_steps(commit.writes))


def patch_of(id: str, sent: bytes, when: Precondition, patterns: CommitPatterns | None = None) -> Patch | Update:
    """Read a merge patch, or update operators if the names begin with `$`. `patterns`: the patterns of the whole
    commit.

    Raises: the problems of `fields_at`, and InvalidUpdate.
    """
    changes = fields_at(id, sent)
    if has_operators(changes):
        return Update(id, parse_update(changes, patterns), when, len(sent))
    return Patch(id, changes, when, len(sent))


def _read(sent: bytes) -> SentCommit:
    if len(sent) > MAX_COMMIT_BYTES:
        raise TooLarge(f"A commit has at most {MAX_COMMIT_BYTES} bytes; split it into several commits.")
    effort.note(len(sent))
    try:
        return read_commit(sent)
    except msgspec.ValidationError as error:
        check_readable(sent)
        path, message = fault_in(error, SentCommit)
        raise InvalidInput.at(path, message, f"This is not a commit: {path}: {message}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def _steps(sent: list[SentWrite]) -> Iterator[CommitStep]:
    patterns = CommitPatterns()
    for number, one in enumerate(sent):
        try:
            check_collection(one.collection)
            yield CommitStep(one.collection, _write(one, patterns))
        except Problem as problem:
            problem.extra["write"] = number
            raise


def _write(sent: SentWrite, patterns: CommitPatterns) -> Write:
    if sent.op == "create":
        return _create(sent)
    if sent.id is None:
        _refuse("id", f"{sent.op} needs the id of a document.")
    check_id(sent.id)
    when = Precondition(rev=sent.if_rev)
    match sent.op:
        case "put":
            return Put(sent.id, document_at(sent.id, _data(sent)), when)
        case "patch":
            return patch_of(sent.id, _data(sent), when, patterns)
        case "delete":
            _no_data(sent)
            return Delete(sent.id, when)
    _no_data(sent)
    if sent.if_rev is None:
        _refuse("if_rev", "check needs if_rev: the revision that you have read, or 0 if there was no document.")
    return Check(sent.id, when)


def _create(sent: SentWrite) -> Create:
    if sent.if_rev not in (None, 0):
        _refuse("if_rev", "A new document has no revision yet: leave if_rev out.")
    if sent.id is None:
        claimed, body = new_document(_data(sent))
        return Create(claimed or new_id(), body)
    check_id(sent.id)
    return Create(sent.id, document_at(sent.id, _data(sent)))


def _data(sent: SentWrite) -> bytes:
    if isinstance(sent.data, msgspec.UnsetType):
        _refuse("data", f"{sent.op} needs data, a JSON object.")
    return bytes(sent.data)


def _no_data(sent: SentWrite) -> None:
    if not isinstance(sent.data, msgspec.UnsetType):
        _refuse("data", f"{sent.op} takes no data.")


def _refuse(name: str, message: str) -> NoReturn:
    raise InvalidInput.at(f"/{name}", message)
