"""Documents: checks of their names and limits, and their two forms (as stored, and with system fields).

The stored form is the compact JSON of the client. Numbers and strings keep the text that was sent. If a name is
repeated, the last value counts. The second form is the stored form with the system fields in front. Bundoc makes the
second form without parsing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.documents import Document, Written
from bunbase.contracts.bundoc.problems import DocumentTooLarge, InvalidDocument
from bunbase.pkg import effort
from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.json_bodies import unreadable

MAX_BYTES: Final = 1 << 20  # The stored form of a document has at most this size.
# A sent document may be larger than a stored one, because it may contain white space and system fields.
MAX_SENT_BYTES: Final = 2 * MAX_BYTES
MAX_LEVELS: Final = 32  # Objects and arrays nest at most this deeply. The document itself is level 1.

COLLECTION: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# The state of a project: the epoch and the number of its newest change.
STATE: Final = re.compile(r"([0-9a-f]{1,32})\.([0-9]{1,18})")

CONTROL_SENT: Final = re.compile(
    rb"\\(?:u00|[bfnrt])|\x7f"
)  # Matches all ways to write a control character in JSON. Most matches are in values, not in names.

CONTAINERS: Final = (dict, list)

# Callers may send these fields back, and BunBase ignores them.
OURS: Final = frozenset({"_rev", "_created", "_updated"})

Fields = dict[str, msgspec.Raw]

read_all: Final = msgspec.json.Decoder().decode
read_fields: Final = msgspec.json.Decoder(Fields).decode
read_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
write: Final = msgspec.json.Encoder().encode


class StoredDocument(msgspec.Struct, frozen=True):
    """A document as an engine stores it.

    `body`: the stored form. `created`, `updated`: the times in RFC 3339, in the form that callers see.
    `view`: a hash of the visible fields if some fields are hidden from the caller; empty if the document is whole.
    """

    id: str
    rev: int
    created: str
    updated: str
    body: bytes
    view: str = ""


# The arguments are collection and id. The result is None if the document does not exist.
Lookup = Callable[[str, str], StoredDocument | None]


def with_system_fields(stored: StoredDocument) -> bytes:
    """Return the JSON of the whole document, system fields first."""
    head = f'{{"_id":"{stored.id}","_rev":{stored.rev},"_created":"{stored.created}","_updated":"{stored.updated}"'
    return head.encode() + (b"," + stored.body[1:] if len(stored.body) > 2 else b"}")


def document(stored: StoredDocument, created: bool = False, written: Written | None = None) -> Document:
    return Document(stored.id, stored.rev, with_system_fields(stored), created, stored.view, written)


def check_collection(collection: str, at: str = "/collection") -> None:
    """Check the name of a collection. `at`: its place in the request, as in `InvalidInput.at`. Raises: InvalidInput."""
    if not COLLECTION.fullmatch(collection):
        raise InvalidInput.at(at, "The name of a collection must match [a-z][a-z0-9_]{0,62}, such as blog_posts.")


def check_id(id: str, at: str = "/id") -> None:
    """Check the id of a document. `at`: its place in the request. Raises: InvalidInput."""
    if not ID.fullmatch(id):
        raise InvalidInput.at(at, "The id of a document has 1 to 64 letters, digits, _ or -.")


def new_document(sent: bytes) -> tuple[str | None, bytes]:
    """Return the id that the client sent (None if it sent no id) and the stored form.

    Raises: Malformed, InvalidDocument, DocumentTooLarge.
    """
    fields = fields_of(sent)
    claimed = _claimed_id(fields)
    return claimed, stored_form(_own(fields))


def document_at(id: str, sent: bytes) -> bytes:
    """Return the stored form of a document that was sent to the URL of `id`. Raises: the problems of `new_document`."""
    return stored_form(fields_at(id, sent))


def fields_at(id: str, sent: bytes) -> Fields:
    """Return the fields that were sent to the URL of `id`, without system fields.

    Raises: the problems of `new_document`.
    """
    fields = fields_of(sent)
    if _claimed_id(fields) not in (None, id):
        raise _invalid([("/_id", f"This is the URL of the document {id}; leave _id out or send the same id.")])
    return _own(fields)


def stored_form(fields: Fields) -> bytes:
    """Return the JSON of the fields as it is stored. Raises: DocumentTooLarge."""
    body = write(fields)
    if len(body) > MAX_BYTES:
        raise DocumentTooLarge(f"This document has {len(body)} bytes, more than {MAX_BYTES}; split the document.")
    return body


def fields_of(sent: bytes) -> Fields:
    """Read a JSON object. Values keep their text; repeated names are removed at every level.

    Raises: Malformed if `sent` is not JSON, InvalidDocument if the JSON is not a valid document, DocumentTooLarge.
    """
    if len(sent) > MAX_SENT_BYTES:
        raise DocumentTooLarge(f"The body has {len(sent)} bytes; a document can have at most {MAX_BYTES}.")
    effort.note(len(sent) * effort.AT_EVERY_LEVEL)
    try:
        whole = read_all(sent)  # Only this pass checks every string and number.
        if not isinstance(whole, dict):
            raise _invalid([("", "A document must be a JSON object.")])
        fields = read_fields(msgspec.json.format(sent, indent=-1))
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError:
        raise _invalid([("", "A number in this document is too large.")]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(error) from None
    # Nearly no body contains one of these bytes, and `in` takes a tenth of the time of the pattern.
    if (b"\\" in sent or b"\x7f" in sent) and CONTROL_SENT.search(sent) and names_control(whole):
        raise _invalid(
            [
                (
                    _place_of_control(whole),
                    "Names of fields cannot contain control characters (U+0000 to U+001F, U+007F).",
                )
            ]
        )
    if sent.count(b"{") + sent.count(b"[") == 1:
        return fields
    return {name: _settled(value, level=2) for name, value in fields.items()}


def _settled(value: msgspec.Raw, level: int) -> msgspec.Raw:
    """Return the value without repeated names at any level.

    Raises: InvalidDocument if the value is nested too deeply.
    """
    text = bytes(value)
    if text[:1] not in (b"{", b"["):
        return value
    if level > MAX_LEVELS:
        raise _too_deep()
    if text[:1] == b"{":
        return msgspec.Raw(write({name: _settled(inner, level + 1) for name, inner in read_fields(text).items()}))
    if text.count(b"[") == 1 and b"{" not in text:
        return value
    return msgspec.Raw(write([_settled(inner, level + 1) for inner in read_items(text)]))


def names_control(value: Any) -> bool:
    """True if a name at any level has a control character."""
    if isinstance(value, dict):
        for name in value:
            if not name.isprintable() and holds_control(name):  # most names are printable, and `isprintable` is faster
                return True
        value = value.values()
    return any(isinstance(inner, CONTAINERS) and names_control(inner) for inner in value)


def _place_of_control(value: Any, at: str = "") -> str:
    """Return the JSON Pointer to the first name with a control character; "" if all names are free of them."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        place = at + _pointer(str(name))
        if isinstance(name, str) and holds_control(name):
            return place
        if isinstance(inner, CONTAINERS) and (found := _place_of_control(inner, place)):
            return found
    return ""


def _claimed_id(fields: Fields) -> str | None:
    if "_id" not in fields:
        return None
    id = read_all(fields["_id"])
    if not isinstance(id, str) or not ID.fullmatch(id):
        raise _invalid([("/_id", "An id must be a string of 1 to 64 letters, digits, _ or -.")])
    return id


def _own(fields: Fields) -> Fields:
    """Return the fields without system fields. Raises: InvalidDocument for unknown names that begin with `_`."""
    ours = [name for name in fields if name.startswith("_")]
    if not ours:
        return fields
    unknown = [name for name in ours if name not in OURS and name != "_id"]
    if unknown:
        raise _invalid((_pointer(name), "Names that begin with _ are reserved.") for name in unknown)
    return {name: value for name, value in fields.items() if name not in ours}


def _pointer(name: str) -> str:
    """Return the name with the escapes that a JSON Pointer needs (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _invalid(errors: Iterable[tuple[str, str]]) -> InvalidDocument:
    listed = [{"path": path, "message": message} for path, message in errors]
    return InvalidDocument(listed[0]["message"], errors=listed)


def _too_deep() -> InvalidDocument:
    return _invalid([("", f"A document can have at most {MAX_LEVELS} levels of nesting.")])
