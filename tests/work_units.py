"""Choose the tests that one process of a parallel run takes together."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadFileScheduling

SHARED: Final = ("tests/sdk_js", "tests/sdk_python")  # Files in one of these folders share a server.


class WorkUnits(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Let one process take a whole file, or a whole folder whose files share a server or a browser.

    If three processes took files of one folder, each process would start the server.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return work_unit(file)


def work_unit(file: str) -> str:
    folder = file.rpartition("/")[0]
    return folder if folder.startswith("tests/e2e/") or folder in SHARED else file


def rank(file: str) -> int:
    """Return a smaller number for files that must start earlier, because they take longer."""
    if not file.startswith(("tests/e2e/", *SHARED)):
        return 2
    return 1 if work_unit(file) == file else 0
