"""Keep paths of this machine out of a bundle and its source map.

Paths become relative to the project's folder: stack traces then show `functions/hello.ts:12:7`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

import msgspec

MAX_BYTES: Final = 10 << 20  # the server accepts a source map of at most this size
CONTENT: Final = "sourcesContent"
RESOLVED: Final = re.compile(rb'(?<=require\.resolve\(")/[^"\n]+(?="\))')
HEADING: Final = re.compile(rb"(?<=\n// )\.\./[^\n]+")  # Bun writes the path of each file above the file's code


def relative_map(folder: Path, file: Path) -> tuple[bytes | None, tuple[Path, ...]]:
    """Return the source map with paths relative to `folder`, and the paths of the source files.

    The result contains no other path of this machine. If the map is too large, its copies of the source text are left
    out. If the map is still too large, the function returns None instead of a map.
    """
    document: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    sources = [Path(os.path.normpath(file.parent.resolve() / source)) for source in document["sources"]]
    shared = document | {"sources": [_shared_path(source, folder.resolve()) for source in sources]}
    text = msgspec.json.encode(shared)
    if len(text) > MAX_BYTES:
        text = msgspec.json.encode({name: value for name, value in shared.items() if name != CONTENT})
    return (text if len(text) <= MAX_BYTES else None), tuple(sources)


def without_paths(code: bytes, folder: Path) -> bytes:
    """Return the bundle without absolute paths, which Bun writes for `require.resolve("./other")`.

    Comments that name a file outside of the folder are removed too. Line numbers stay the same.
    """
    here = folder.resolve()

    def shared(found: re.Match[bytes]) -> bytes:
        path = Path(os.path.normpath(here / os.fsdecode(found[0])))
        return os.fsencode(_shared_path(path, here)) if path.is_file() else found[0]

    return HEADING.sub(shared, RESOLVED.sub(lambda found: b"/" + shared(found).lstrip(b"/"), code))


def _shared_path(source: Path, folder: Path) -> str:
    if source.is_relative_to(folder):
        return str(source.relative_to(folder))
    parts = source.parts[source.parts.index("node_modules") :] if "node_modules" in source.parts else source.parts[-1:]
    return "/".join(parts)
