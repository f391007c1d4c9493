"""Entity tags and the headers that carry them (RFC 9110 §8.8.3, §13.1): a document's tag is its revision, quoted.

Behind it stands the view (`"3-5c1f…"`) where a caller may not see all of the document: what differs has another tag.
Conditions of writes are about the revision, whichever view of it the writer saw.
"""

from __future__ import annotations

import re
from typing import Final

from bunbase.contracts.bundoc import NO_PRECONDITION, Document, Precondition
from bunbase.pkg.errors import Malformed

REVISION: Final = re.compile(r'"([1-9][0-9]{0,17})(?:-[0-9a-f]{1,32})?"')
TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
TAGS: Final = re.compile(rf"{TAG}(?:[ \t]*,[ \t]*{TAG})*")


def etag(document: Document) -> str:
    return f'"{document.rev}-{document.view}"' if document.view else f'"{document.rev}"'


def precondition(if_match: str | None, if_none_match: str | None) -> Precondition:
    """Read the headers of a write: If-Match with one revision, or If-None-Match with `*`. Raises: Malformed.

    What we would not honour to the letter is refused: a write must not go through because a condition was not read.
    """
    if if_match is None and if_none_match is None:
        return NO_PRECONDITION
    if if_match is None:
        if if_none_match != "*":
            raise Malformed("With a write, If-None-Match takes only *: the document must not exist.")
        return Precondition(absent=True)
    match = REVISION.fullmatch(if_match)
    if match is None:
        raise Malformed('If-Match takes one ETag as it was given, such as "3".')
    if if_none_match is not None:
        raise Malformed("Send If-Match or If-None-Match, not both.")
    return Precondition(rev=int(match[1]))


def unchanged(if_none_match: str | None, tag: str) -> bool:
    """Say whether a read may be answered 304: weak comparison, any of the tags. Raises: Malformed."""
    if if_none_match is None:
        return False
    if if_none_match == "*":
        return True
    if not TAGS.fullmatch(if_none_match):
        raise Malformed('If-None-Match takes *, or ETags as they were given, such as "3".')
    return tag in [sent.strip(" \t").removeprefix("W/") for sent in if_none_match.split(",")]
