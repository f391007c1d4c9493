"""Read one line of an import: the document's collection, its id and its stored form."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.documents import ID, check_collection, document_at, new_document
from bunbase.contracts.bundoc.problems import InvalidDocument
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.json_bodies import fault_in, unreadable
from bunbase.pkg.ndjson import ImportLine


class ReadLine(msgspec.Struct, frozen=True):
    """The document in a line.

    `id`: None if the server must choose the id. `body`: the stored form. `problem`: the reason why the line cannot be
    imported.
    """

    line: int
    collection: str = ""
    id: str | None = None
    body: bytes = b""
    problem: Problem | None = None


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: str
    document: msgspec.Raw


class IdField(msgspec.Struct, frozen=True):
    id: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="_id")


read_envelope: Final = msgspec.json.Decoder(Envelope).decode
read_id: Final = msgspec.json.Decoder(IdField).decode


def read_line(line: ImportLine, collection: str | None, at_address: bool = False) -> ReadLine:
    """Read a line: a document of `collection`, or `{"collection":…,"document":{…}}` if `collection` is None.

    `at_address`: true if a document with an id is read like the body of a PUT to the URL of this id.
    """
    try:
        into, body = (collection, line.text) if collection is not None else _open_envelope(line.text)
        check_collection(into)
        id = _id_in(body)
        if at_address and id is not None:
            return ReadLine(line.number, into, id, document_at(id, body))
        claimed, stored = new_document(body)
        return ReadLine(line.number, into, claimed, stored)
    except Problem as problem:
        return ReadLine(line.number, problem=problem)


def _open_envelope(text: bytes) -> tuple[str, bytes]:
    try:
        envelope = read_envelope(text)
    except msgspec.ValidationError as error:
        wanted = 'A line must be {"collection":…,"document":{…}}, or the request must name a collection'
        raise InvalidInput.at("", f"{wanted}: {fault_in(error)[1]}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error, "The line") from None
    return envelope.collection, bytes(envelope.document)


def _id_in(body: bytes) -> str | None:
    try:
        id = read_id(body).id
    except msgspec.ValidationError as error:
        raise InvalidDocument.at(
            "", f"A line must be a JSON object, and its _id must be a string: {fault_in(error)[1]}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error, "The line") from None
    if isinstance(id, msgspec.UnsetType):
        return None
    if not ID.fullmatch(id):
        raise InvalidDocument.at("/_id", "An id must be a string of 1 to 64 letters, digits, _ or -.")
    return id
