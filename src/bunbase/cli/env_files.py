r"""Read a `.env` file: variables as text, in the format that most tools share.

    # a comment
    GREETING=Hello there              # a space and # begin a comment
    export TOKEN='literally $this'    # between single quotes, nothing is replaced; $ never inserts a variable
    KEY="two\nlines"                  # between double quotes: the escapes \n \r \t \" \\ \$ \`

A value between quotes may have several lines. Windows line ends (CR LF) count as LF, also inside such a value. So a
key in PEM format has the same value on every machine.

Most libraries skip a line that they cannot read. This module raises an error instead, because a missing variable would
be noticed much later.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from bunbase.cli.errors import Usage

MAX_BYTES: Final = 1 << 20  # a file may be as large as all variables of a project together
END: Final = r"[ \t]*(?:\#[^\r\n]*)?(?:\r?\n|\Z)"
NOTHING: Final = re.compile(END)
LINE: Final = re.compile(
    rf"""
    [ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
    (?: '(?P<literal>[^']*)'{END}
      | "(?P<quoted>(?:[^"\\]|\\.)*)"{END}
      | (?P<plain>(?:[^\s'"\#][^\r\n]*?)?)[ \t]*(?:(?<=[ \t=])\#[^\r\n]*)?(?:\r?\n|\Z)
    )""",
    re.DOTALL | re.VERBOSE,
)
ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$", "`": "`"}


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a file in their order. If a name appears twice, its last value counts. Raises: Usage."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}.", "no_file") from None
    except UnicodeDecodeError:
        raise Usage(f"{path} is not UTF-8 text.", "invalid_env_file") from None
    if len(content) > MAX_BYTES:
        raise Usage(f"{path} is larger than {MAX_BYTES >> 20} MiB.", "invalid_env_file")
    found = _variables(text, path)
    if not found:
        raise Usage(f"{path} has no variables: write NAME=VALUE, one on each line.", "invalid_env_file")
    return found


def _variables(text: str, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if (line := LINE.match(text, at)) is not None:
            found[line["name"]] = _value(line)
        elif (line := NOTHING.match(text, at)) is None:
            number = text.count("\n", 0, at) + 1
            raise Usage(f'{path}, line {number}: write NAME=VALUE, NAME="VALUE" or # comment.', "invalid_env_file")
        at = line.end()
    return found


def _value(line: re.Match[str]) -> str:
    if line["literal"] is not None:
        return line["literal"]
    if line["quoted"] is not None:
        return ESCAPE.sub(lambda found: ESCAPED.get(found[1], found[0]), line["quoted"])
    return line["plain"] or ""
