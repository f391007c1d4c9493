"""ETags and their headers (RFC 9110 §8.8.3, §13.1). The ETag of a document is its revision in quotes.

If some fields are hidden from the caller, the ETag also has a hash of the visible fields (`"3-5c1f…"`). So callers that
see different contents get different ETags. The condition of a write compares only the revision, not the hash.
"""

from __future__ import annotations

import re
from typing import Final

from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Document, Precondition
from bunbase.pkg.errors import Malformed

REVISION: Final = re.compile(r'"([1-9][0-9]{0,17})(?:-[0-9a-f]{1,32})?"')
TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
TAGS: Final = re.compile(rf"{TAG}(?:[ \t]*,[ \t]*{TAG})*")


def etag(document: Document) -> str:
    return f'"{document.rev}-{document.view}"' if document.view else f'"{document.rev}"'


def precondition(if_match: str | None, if_none_match: str | None) -> Precondition:
    """Parse the headers of a write: If-Match with one revision, or If-None-Match with `*`.

    BunBase refuses any other form, because it must not ignore the condition of a write.
    Raises: Malformed.
    """
    if if_match is None and if_none_match is None:
        return NO_PRECONDITION
    if if_match is None:
        if if_none_match != "*":
            raise Malformed("For a write, If-None-Match must be *, which means that the document must not exist.")
        return Precondition(absent=True)
    match = REVISION.fullmatch(if_match)
    if match is None:
        raise Malformed('If-Match must be one ETag exactly as you received it, such as "3".')
    if if_none_match is not None:
        raise Malformed("Send If-Match or If-None-Match, but not both.")
    return Precondition(rev=int(match[1]))


def unchanged(if_none_match: str | None, tag: str) -> bool:
    """True if an ETag in the header equals `tag` by weak comparison, so that the answer is 304. Raises: Malformed."""
    if if_none_match is None:
        return False
    if if_none_match == "*":
        return True
    if not TAGS.fullmatch(if_none_match):
        raise Malformed('If-None-Match must be * or ETags exactly as you received them, such as "3".')
    return tag in [sent.strip(" \t").removeprefix("W/") for sent in if_none_match.split(",")]
