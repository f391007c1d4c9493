"""Write the generated files of the Python client (`make gen`): the types of answers, the two faces, the examples.

With --check, write nothing, and fail if a file is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.sdk_python import examples, faces, models


def sources() -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each generated file."""
    yield models.FILE, models.source()
    yield from faces.sources()
    yield examples.FILE, examples.source()


def main() -> int:
    stale = [(path, text) for path, text in sources() if not path.exists() or path.read_text("utf-8") != text]
    for path, text in stale:
        if "--check" in sys.argv[1:]:
            sys.stderr.write(f"{path} is out of date: run `make gen` and commit it\n")
        else:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"wrote {path}\n")
    return int(bool(stale) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
