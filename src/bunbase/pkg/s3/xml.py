"""XML of S3: a writer of documents, and a parser with limits.

The parser reads what strangers send, so it refuses document types and entities, and limits bytes, depth and elements.
The writer never writes a character that XML forbids: a parser of a client would refuse the whole list because of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias
from xml.parsers import expat

import msgspec

from bunbase.pkg.s3.errors import S3Error

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
MAX_DEPTH: Final = 10
MAX_ELEMENTS: Final = 150_000  # 10,000 parts have at most 13 elements each
FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# a carriage return is escaped, because a parser reads it as a line feed
ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})

Content: TypeAlias = "str | Sequence[tuple[str, Content]]"


class Element(msgspec.Struct):
    """An element without its namespace and attributes. `text`: without the texts of its children."""

    name: str
    text: str = ""
    children: list[Element] = msgspec.field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        return [child for child in self.children if child.name == name]

    def one(self, name: str) -> str | None:
        """Return the text of the only child with this name, or None. Raises: S3Error if there are several."""
        found = self.all(name)
        if len(found) > 1:
            raise malformed(f"{self.name} has {name} twice")
        return found[0].text if found else None


def document(name: str, content: Content, namespace: str = NAMESPACE) -> bytes:
    """Return a document. `content`: a text, or elements with their content, in order."""
    out = [DECLARATION, f'<{name} xmlns="{namespace}">' if namespace else f"<{name}>"]
    _write(content, out)
    out.append(f"</{name}>")
    return "".join(out).encode()


def error_document(error: S3Error, resource: str, request_id: str) -> bytes:
    """Return the body of an error. `resource`: the path of the request."""
    content = [("Code", error.code), ("Message", error.message), *error.extra.items()]
    return document("Error", [*content, ("Resource", resource), ("RequestId", request_id)], namespace="")


def escaped(text: str) -> str:
    """Return the text for an element. U+FFFD replaces each character that XML forbids."""
    return FORBIDDEN.sub("\ufffd", text).translate(ESCAPES)


def parse(body: bytes, root: str, max_bytes: int) -> Element:
    """Return the element `root` of a document. Raises: S3Error (MalformedXML, MissingRequestBodyError)."""
    if not body:
        raise S3Error("MissingRequestBodyError", "Request body is empty.")
    if len(body) > max_bytes:
        raise malformed(f"the document is larger than {max_bytes} bytes")
    tree = _Tree()
    try:
        tree.parser.Parse(body, True)
    except expat.ExpatError as error:
        raise malformed(f"line {error.lineno}: {expat.ErrorString(error.code)}") from None
    except (LookupError, ValueError):  # an encoding that Python does not know, or that expat cannot use
        raise malformed("the encoding must be UTF-8") from None
    assert tree.root is not None
    if tree.root.name != root:
        raise malformed(f"the first element must be {root}")
    return tree.root


def malformed(reason: str) -> S3Error:
    return S3Error(
        "MalformedXML", f"The XML you provided was not well-formed or did not have the right form: {reason}."
    )


class _Tree:
    """Builds the elements while expat reads the document."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.open: list[tuple[Element, list[str]]] = []  # with the pieces of its text
        self.count = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.ProcessingInstructionHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) >= MAX_DEPTH or self.count > MAX_ELEMENTS:
            raise malformed("it has too many elements, or they are too deep")
        element = Element(name.rpartition(" ")[2])
        if self.open:
            self.open[-1][0].children.append(element)
        else:
            self.root = element
        self.open.append((element, []))

    def _end(self, name: str) -> None:
        element, pieces = self.open.pop()
        element.text = "".join(pieces)

    def _text(self, text: str) -> None:
        self.open[-1][1].append(text)

    def _refuse(self, *_: object) -> None:
        raise malformed("it has a document type, an entity or a processing instruction")


def _write(content: Content, out: list[str]) -> None:
    if isinstance(content, str):
        out.append(escaped(content))
        return
    for name, inner in content:
        out.append(f"<{name}>")
        _write(inner, out)
        out.append(f"</{name.partition(' ')[0]}>")  # a name may have attributes
