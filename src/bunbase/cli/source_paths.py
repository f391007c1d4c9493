"""The files that a source map names, told from the project's folder: stack traces say `functions/hello.ts:12:7`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

MAX_BYTES: Final = 10 << 20  # what a server takes
CONTENT: Final = "sourcesContent"


def told_from(folder: Path, file: Path) -> tuple[bytes | None, tuple[Path, ...]]:
    """Give the map with its paths from `folder`, and the files themselves.

    Nothing else of this machine's paths goes out. Without the files' text if it would be too large with it; None if
    it is too large even so.
    """
    document: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    sources = [Path(os.path.normpath(file.parent.resolve() / source)) for source in document["sources"]]
    told = document | {"sources": [_told(source, folder.resolve()) for source in sources]}
    text = msgspec.json.encode(told)
    if len(text) > MAX_BYTES:
        text = msgspec.json.encode({name: value for name, value in told.items() if name != CONTENT})
    return (text if len(text) <= MAX_BYTES else None), tuple(sources)


def _told(source: Path, folder: Path) -> str:
    if source.is_relative_to(folder):
        return str(source.relative_to(folder))
    shared = source.parts[source.parts.index("node_modules") :] if "node_modules" in source.parts else source.parts[-1:]
    return "/".join(shared)
