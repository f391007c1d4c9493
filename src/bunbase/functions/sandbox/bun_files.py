"""Finds the files that Bun needs to start.

The paths of these files differ between systems, and Bun's executable names its loader.
"""

from __future__ import annotations

import os
import struct
from typing import Final

from bunbase.pkg.sandbox.landlock import EXECUTE, READ_DIR, READ_FILE, WRITE_FILE, Rule

WORKER_SCRIPT: Final = "worker.js"  # The file in the folder of the runtime that Bun runs.
LIBRARIES: Final = (
    "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1",
    "libstdc++.so.6", "libgcc_s.so.1", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1",
)  # fmt: skip
LIBRARY_FOLDERS: Final = (
    "/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
    "/lib64", "/usr/lib64", "/lib", "/usr/lib",
)  # fmt: skip
READABLE: Final = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/urandom",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/mmap_min_addr",
    "/sys/devices/system/cpu/online",
    "/sys/kernel/mm/transparent_hugepage/enabled",
)
OF_ITSELF: Final = ("maps", "statm", "stat")  # The worker may read these paths below /proc/<pid of the worker>.

# This is the part of a 64-bit ELF header with the offset, the size and the number of the program headers.
PROGRAM_HEADERS: Final = struct.Struct("<32xQ14xHH")
PROGRAM_HEADER: Final = struct.Struct("<I4xQ16xQ")  # These are the type, the offset, and the size in the file.
INTERPRETER: Final = 3
MAX_PATH_BYTES: Final = 4096


def rules_for(bun: str, runtime: str) -> list[Rule]:
    """Return the rules for all files that a worker may open, except the rules of `rules_of_process`."""
    run = READ_FILE | EXECUTE
    loader = interpreter_of(bun)
    folders = (*LIBRARY_FOLDERS, os.path.dirname(os.path.realpath(loader))) if loader else LIBRARY_FOLDERS
    found = {placed(os.path.join(folder, name)) for folder in folders for name in LIBRARIES}
    libraries = sorted(path for path in found if os.path.isfile(path))
    return [
        (bun, run),
        *([(placed(loader), run)] if loader else []),
        *((path, run) for path in libraries),
        *((path, READ_FILE) for path in READABLE),
        ("/dev/null", READ_FILE | WRITE_FILE),
        (runtime, READ_FILE | READ_DIR),
    ]


def rules_of_process(pid: int) -> list[Rule]:
    return [(f"/proc/{pid}/{name}", READ_FILE) for name in OF_ITSELF]


def links_for(bun: str) -> list[tuple[str, str]]:
    """Return the symbolic links on the paths to the libraries, each with its target.

    A new root directory must also have these links.
    """
    links: dict[str, str] = {}
    for way in (*LIBRARY_FOLDERS, os.path.dirname(interpreter_of(bun))):
        while way.strip("/"):
            real = placed(way)
            if os.path.islink(real):
                links[real] = os.readlink(real)
            way = os.path.dirname(way)
    return sorted(links.items())


def placed(path: str) -> str:
    """Return the path with all links in its folder resolved. The last part of the path stays, even if it is a link."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def interpreter_of(program: str) -> str:
    """Return the path of the dynamic loader that an ELF executable names, or "" for a static executable."""
    with open(program, "rb") as file:
        offset, size, count = PROGRAM_HEADERS.unpack(file.read(64)[:58])
        for place in range(count):
            file.seek(offset + place * size)
            kind, at, length = PROGRAM_HEADER.unpack(file.read(PROGRAM_HEADER.size))
            if kind == INTERPRETER:
                file.seek(at)
                return file.read(min(length, MAX_PATH_BYTES)).rstrip(b"\0").decode()
    return ""
