"""One line of an import: the document's collection, its id, and its stored form."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.documents import ID, check_collection, document_at, new_document
from bunbase.contracts.backups import ImportLine
from bunbase.contracts.bundoc import InvalidDocument
from bunbase.pkg.errors import InvalidInput, Malformed, Problem


class Sent(msgspec.Struct, frozen=True):
    """`id`: None lets the server choose. `body`: as it is stored. `problem`: why the line cannot be imported."""

    line: int
    collection: str = ""
    id: str | None = None
    body: bytes = b""
    problem: Problem | None = None


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: str
    document: msgspec.Raw


class Named(msgspec.Struct, frozen=True):
    id: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="_id")


read_envelope: Final = msgspec.json.Decoder(Envelope).decode
read_name: Final = msgspec.json.Decoder(Named).decode


def sent_document(line: ImportLine, collection: str | None, at_address: bool = False) -> Sent:
    """Read a line: a document of `collection`, or `{"collection":…,"document":{…}}` when that is None.

    `at_address`: a document that names its id is read as if it were sent to the address of that.
    """
    try:
        into, body = (collection, line.text) if collection is not None else _opened(line.text)
        check_collection(into)
        id = _id_in(body)
        if at_address and id is not None:
            return Sent(line.number, into, id, document_at(id, body))
        claimed, stored = new_document(body)
        return Sent(line.number, into, claimed, stored)
    except Problem as problem:
        return Sent(line.number, problem=problem)


def _opened(text: bytes) -> tuple[str, bytes]:
    try:
        envelope = read_envelope(text)
    except msgspec.ValidationError as error:
        message = f'A line is {{"collection":…,"document":{{…}}}}, or name the collection for all: {error}.'
        raise InvalidInput(message, errors=[{"path": "", "message": message}]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The line is not JSON in UTF-8: {error}.") from None
    return envelope.collection, bytes(envelope.document)


def _id_in(body: bytes) -> str | None:
    try:
        id = read_name(body).id
    except msgspec.ValidationError as error:
        message = f"A line is a JSON object; its _id, if there is one, a string: {error}."
        raise InvalidDocument(message, errors=[{"path": "", "message": message}]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The line is not JSON in UTF-8: {error}.") from None
    if isinstance(id, msgspec.UnsetType):
        return None
    if not ID.fullmatch(id):
        message = "An id is a string of 1 to 64 letters, digits, _ or -."
        raise InvalidDocument(message, errors=[{"path": "/_id", "message": message}])
    return id
