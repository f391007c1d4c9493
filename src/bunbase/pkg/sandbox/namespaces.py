"""The namespaces of a worker, which only root can make.

The worker has a network without interfaces, another host name, and no shared memory of other processes.

seccomp already forbids sockets and shared memory, so the namespaces are a second layer. The namespaces also hide the
host name.
"""

from __future__ import annotations

import ctypes
from typing import Final

from bunbase.pkg.sandbox.kernel import libc, unshare

NEW_UTS: Final = 0x04000000
NEW_IPC: Final = 0x08000000
NEW_NET: Final = 0x40000000
HOST_NAME: Final = b"functions"


def leave_the_hosts() -> None:
    """Move this process out of the host's namespaces, into new ones. Raises: OSError."""
    unshare(NEW_UTS | NEW_IPC | NEW_NET)
    if libc.sethostname(HOST_NAME, ctypes.c_size_t(len(HOST_NAME))) != 0:
        raise OSError(ctypes.get_errno(), "sethostname")
