"""Read one line of an import: the document's collection, its id and its stored form."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import ID, check_collection, document_at, new_document
from bunbase.contracts.bundoc.problems import InvalidDocument
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.json_bodies import fault_in, unreadable
from bunbase.pkg.moments import EXAMPLE, read_moment
from bunbase.pkg.ndjson import ImportLine


class ReadLine(msgspec.Struct, frozen=True):
    """The document in a line.

    `id`: None if the server must choose the id. `body`: the stored form. `created`: `_created` of the line, or "".
    `problem`: the reason why the line cannot be imported.
    """

    line: int
    collection: str = ""
    id: str | None = None
    body: bytes = b""
    created: str = ""
    problem: Problem | None = None


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: str
    document: msgspec.Raw


class KeptFields(msgspec.Struct, frozen=True):
    """The system fields that an import keeps."""

    id: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="_id")
    created: Any = msgspec.field(default=msgspec.UNSET, name="_created")


read_envelope: Final = msgspec.json.Decoder(Envelope).decode
read_kept: Final = msgspec.json.Decoder(KeptFields).decode


def read_line(line: ImportLine, collection: str | None, at_address: bool = False) -> ReadLine:
    """Read a line: a document of `collection`, or `{"collection":…,"document":{…}}` if `collection` is None.

    `at_address`: true if a document with an id is read like the body of a PUT to the URL of this id.
    """
    try:
        into, body = (collection, line.text) if collection is not None else _open_envelope(line.text)
        check_collection(into)
        id, created = _kept_in(body)
        if at_address and id is not None:
            return ReadLine(line.number, into, id, document_at(id, body), created)
        claimed, stored = new_document(body)
        return ReadLine(line.number, into, claimed, stored, created)
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


def _kept_in(body: bytes) -> tuple[str | None, str]:
    """Return the id (None if it is missing) and the time of creation ("" if it is missing). Raises: InvalidDocument."""
    try:
        kept = read_kept(body)
    except msgspec.ValidationError as error:
        raise InvalidDocument.at(
            "", f"A line must be a JSON object, and its _id must be a string: {fault_in(error)[1]}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error, "The line") from None
    created = "" if kept.created is msgspec.UNSET else _moment(kept.created)
    if isinstance(kept.id, msgspec.UnsetType):
        return None, created
    if not ID.fullmatch(kept.id):
        raise InvalidDocument.at("/_id", "An id must be a string of 1 to 64 letters, digits, _ or -.")
    return kept.id, created


def _moment(sent: Any) -> str:
    try:
        moment = read_moment(sent if isinstance(sent, str) else "")
    except ValueError:
        message = f"_created must be a time in RFC 3339, such as {EXAMPLE}. Without it, the time of the import counts."
        raise InvalidDocument.at("/_created", message) from None
    # `strftime` would write the year 99 as 99, without leading zeros.
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
