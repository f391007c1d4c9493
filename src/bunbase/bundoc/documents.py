"""Documents: their names, their limits, and their two forms, stored and seen.

The stored form is the client's own JSON: compact, with numbers and strings as they were sent and each name once (of a
repeated name the last one wins). The seen form is the stored form with the system fields spliced in front; nothing is
parsed for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import msgspec

from bunbase.contracts.bundoc import Document, DocumentTooLarge, InvalidDocument
from bunbase.pkg import effort
from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.errors import InvalidInput, Malformed

MAX_BYTES: Final = 1 << 20  # of the stored form
MAX_SENT_BYTES: Final = 2 * MAX_BYTES  # white space and system fields sent back do not count against a document
MAX_LEVELS: Final = 32  # the document itself is the first

COLLECTION: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

CONTROL_SENT: Final = re.compile(rb"\\(?:u00|[bfnrt])|\x7f")  # how one may be written; many are in values

CONTAINERS: Final = (dict, list)

OURS: Final = frozenset({"_rev", "_created", "_updated"})  # may be sent back as they were read, and change nothing

Fields = dict[str, msgspec.Raw]

read_all: Final = msgspec.json.Decoder().decode
read_fields: Final = msgspec.json.Decoder(Fields).decode
read_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
write: Final = msgspec.json.Encoder().encode


class StoredDocument(msgspec.Struct, frozen=True):
    """`body`: the stored form. `created`, `updated`: as they are shown, RFC 3339. `view`: names what is left of it for
    one who may not see all; empty: it is whole."""

    id: str
    rev: int
    created: str
    updated: str
    body: bytes
    view: str = ""


Lookup = Callable[[str, str], StoredDocument | None]  # from a collection and an id to the document


def seen(stored: StoredDocument) -> bytes:
    """Give the whole document, system fields first."""
    head = f'{{"_id":"{stored.id}","_rev":{stored.rev},"_created":"{stored.created}","_updated":"{stored.updated}"'
    return head.encode() + (b"," + stored.body[1:] if len(stored.body) > 2 else b"}")


def document(stored: StoredDocument, created: bool = False) -> Document:
    return Document(stored.id, stored.rev, seen(stored), created, stored.view)


def check_collection(collection: str) -> None:
    """Raises: InvalidInput."""
    if not COLLECTION.fullmatch(collection):
        _invalid_name("collection", "A collection is named [a-z][a-z0-9_]{0,62}, such as blog_posts.")


def check_id(id: str) -> None:
    """Raises: InvalidInput."""
    if not ID.fullmatch(id):
        _invalid_name("id", "A document's id is 1 to 64 letters, digits, _ or -.")


def new_document(sent: bytes) -> tuple[str | None, bytes]:
    """Give the id that the client chose, if it did, and the stored form.

    Raises: Malformed, InvalidDocument, DocumentTooLarge.
    """
    fields = fields_of(sent)
    claimed = _claimed_id(fields)
    return claimed, stored_form(_own(fields))


def document_at(id: str, sent: bytes) -> bytes:
    """Give the stored form of what was sent to the address of `id`. Raises: as `new_document`."""
    return stored_form(fields_at(id, sent))


def fields_at(id: str, sent: bytes) -> Fields:
    """Give the client's own fields of what was sent to the address of `id`. Raises: as `new_document`."""
    fields = fields_of(sent)
    if _claimed_id(fields) not in (None, id):
        raise _invalid([("/_id", f"This is the address of {id}; leave _id out or send the same.")])
    return _own(fields)


def stored_form(fields: Fields) -> bytes:
    """Raises: DocumentTooLarge."""
    body = write(fields)
    if len(body) > MAX_BYTES:
        raise DocumentTooLarge(f"This document takes {len(body)} bytes; split it or keep large parts as files.")
    return body


def fields_of(sent: bytes) -> Fields:
    """Read a JSON object, its values still as they were sent but each name once at every level.

    Raises: Malformed for what is no JSON, InvalidDocument for JSON that no document may be, DocumentTooLarge.
    """
    if len(sent) > MAX_SENT_BYTES:
        raise DocumentTooLarge(f"{len(sent)} bytes were sent; a document is at most {MAX_BYTES}.")
    effort.note(len(sent) * effort.AT_EVERY_LEVEL)
    try:
        whole = read_all(sent)  # the only pass that looks inside every string and number
        if not isinstance(whole, dict):
            raise _invalid([("", "A document is a JSON object.")])
        fields = read_fields(msgspec.json.format(sent, indent=-1))
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError:
        raise _invalid([("", "A number in this document is too large to be read back.")]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not JSON in UTF-8: {error}.") from None
    if CONTROL_SENT.search(sent) and names_control(whole):
        raise _invalid(
            [(_place_of_control(whole), "Names of fields hold no control characters (U+0000 to U+001F, U+007F).")]
        )
    if sent.count(b"{") + sent.count(b"[") == 1:
        return fields
    return {name: _settled(value, level=2) for name, value in fields.items()}


def _settled(value: msgspec.Raw, level: int) -> msgspec.Raw:
    """Give the value with each name once at every level below. Raises: InvalidDocument when it is nested too deeply."""
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
    """Return whether a name has a control character, at any level."""
    if isinstance(value, dict):
        for name in value:
            if not name.isprintable() and holds_control(name):  # nearly all are printable, which is quicker to ask
                return True
        value = value.values()
    return any(isinstance(inner, CONTAINERS) and names_control(inner) for inner in value)


def _place_of_control(value: Any, at: str = "") -> str:
    """Return the place of a name that `names_control` has met, "" where there is none."""
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
        raise _invalid([("/_id", "An id is a string of 1 to 64 letters, digits, _ or -.")])
    return id


def _own(fields: Fields) -> Fields:
    """Leave the system fields out; refuse those that do not exist."""
    ours = [name for name in fields if name.startswith("_")]
    if not ours:
        return fields
    unknown = [name for name in ours if name not in OURS and name != "_id"]
    if unknown:
        raise _invalid((_pointer(name), "Names that begin with _ belong to the system.") for name in unknown)
    return {name: value for name, value in fields.items() if name not in ours}


def _pointer(name: str) -> str:
    """RFC 6901."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _invalid(errors: Iterable[tuple[str, str]]) -> InvalidDocument:
    listed = [{"path": path, "message": message} for path, message in errors]
    return InvalidDocument(listed[0]["message"], errors=listed)


def _too_deep() -> InvalidDocument:
    return _invalid([("", f"A document is nested at most {MAX_LEVELS} levels deep.")])


def _invalid_name(path: str, message: str) -> NoReturn:
    raise InvalidInput(message, errors=[{"path": f"/{path}", "message": message}])
