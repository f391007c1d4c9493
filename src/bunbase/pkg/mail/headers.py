"""Write the lines of a mail's header (RFC 5322), and read them again.

Concern: the library decodes encoded words (RFC 2047) in the texts that it gets, and writes the decoded text into the
header. So the text `=?utf-8?q?=0ABcc:_…?=` added a line to the header. Therefore this file writes the lines. A text is
either plain ASCII without the start of an encoded word, or it is encoded as a whole. Nothing is decoded before sending.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from email import policy
from email.header import Header
from email.headerregistry import AddressHeader
from email.parser import Parser
from typing import Final

BEGIN: Final = "=?"  # An encoded word starts with this text.
WIDTH: Final = 76
MAX_LINE: Final = 998  # A line has at most this many bytes (RFC 5322 §2.1.1).
MAX_WORD: Final = 60  # A word or name with more characters is encoded.
END: Final = b"\r\n"
WORDS: Final = re.compile(r"[!-~]+( [!-~]+)*")
ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
QUOTABLE: Final = re.compile(r"[ !#-\[\]-~]+")


def one_line(text: str) -> str:
    """Return a text without control characters, in which single spaces replace all white space.

    The start of an encoded word is broken up, because another program may decode it later. Such a program may be a mail
    server, or the function with which a project sends its mails.
    """
    printable = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return plain_words(printable)


def plain_words(text: str) -> str:
    """Return a text that does not contain the start of an encoded word."""
    return text.replace(BEGIN, "= ?")


def text_line(name: str, text: str) -> str:
    """Return the line of a header with a text. `text`: a text on one line."""
    simple = WORDS.fullmatch(text) is not None and BEGIN not in text
    if simple and max(len(word) for word in text.split(" ")) <= MAX_WORD:
        lines = textwrap.wrap(f"{name}: {text}", WIDTH, break_long_words=False, break_on_hyphens=False)
        return "\r\n ".join(lines)
    return f"{name}: {_encoded(name, text)}"


def address_line(name: str, address: str, display: str = "") -> str:
    """Return the line of a header with one address. `address`: an address in a form of `pkg/addresses.py`. `display`: a
    name.
    """
    if not display:
        return f"{name}: {address}"
    short = len(display) <= MAX_WORD and BEGIN not in display
    if short and ATOMS.fullmatch(display):
        return f"{name}: {display} <{address}>"
    if short and QUOTABLE.fullmatch(display):
        return f'{name}: "{display}" <{address}>'
    return f"{name}: {_encoded(name, display)}\r\n <{address}>"


def check_headers(content: bytes, names: Sequence[str], addresses: dict[str, str]) -> None:
    """Read a written message again, as a mail server would. `names`: the names of all its headers, in their order.

    `addresses`: the only address of each header with addresses. Raises: ValueError if such a header has another value.
    """
    block = content.partition(END + END)[0]
    lines = block.split(END)
    if b"\r" in b"".join(lines) or b"\n" in b"".join(lines) or b"\0" in block or max(map(len, lines)) > MAX_LINE:
        raise ValueError("a line of the header is not a line")
    read = Parser(policy=policy.default).parsestr(block.decode(), headersonly=True)
    if read.keys() != list(names):
        raise ValueError("the header has other lines than were written")
    for name, address in addresses.items():
        found = read[name]
        if not isinstance(found, AddressHeader) or [one.addr_spec for one in found.addresses] != [address]:
            raise ValueError(f"the header {name} has another address than was written")


def _encoded(name: str, text: str) -> str:
    return Header(text, charset="utf-8", maxlinelen=WIDTH, header_name=name).encode(splitchars="", linesep="\r\n")
