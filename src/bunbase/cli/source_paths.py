"""Make a source map's paths relative to the project's folder: stack traces then show `functions/hello.ts:12:7`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

MAX_BYTES: Final = 10 << 20  # the server's limit for a source map
CONTENT: Final = "sourcesContent"


def relative_map(folder: Path, file: Path) -> tuple[bytes | None, tuple[Path, ...]]:
    """Return the map with paths relative to `folder`, and the paths of the source files.

    No other path of this machine is sent to the server. If the map is too large, it is returned without the text of
    the source files; if it is still too large, None is returned instead.
    """
    document: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    sources = [Path(os.path.normpath(file.parent.resolve() / source)) for source in document["sources"]]
    shared = document | {"sources": [_shared_path(source, folder.resolve()) for source in sources]}
    text = msgspec.json.encode(shared)
    if len(text) > MAX_BYTES:
        text = msgspec.json.encode({name: value for name, value in shared.items() if name != CONTENT})
    return (text if len(text) <= MAX_BYTES else None), tuple(sources)


def _shared_path(source: Path, folder: Path) -> str:
    if source.is_relative_to(folder):
        return str(source.relative_to(folder))
    parts = source.parts[source.parts.index("node_modules") :] if "node_modules" in source.parts else source.parts[-1:]
    return "/".join(parts)
