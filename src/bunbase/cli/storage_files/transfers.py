"""Many transfers at the same time: a limited number of threads, one progress bar, and a list of failures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

import msgspec

from bunbase.cli.errors import Failure, NotSignedIn, Unreachable
from bunbase.cli.output import Output, counted, size_text
from bunbase.contracts.storage import DeletedObject

THREADS: Final = 4
WAITING: Final = 64  # transfers that have begun or wait; a folder of a million files is never held in memory
SHOWN: Final = 20  # failures that are shown to a person; --json has all of them


class Task(msgspec.Struct, frozen=True):
    """One transfer. `name`: the file, for messages. `do`: does the transfer; it calls its argument with the number of
    bytes of each piece.
    """

    name: str
    size: int
    do: Callable[[Callable[[int], None]], None]


class Failed(msgspec.Struct, frozen=True):
    name: str
    code: str
    detail: str


class Transferred(msgspec.Struct):
    """The result of a command. `skipped`: files that were equal already. `deleted`: files that sync removed."""

    transferred: int = 0
    bytes: int = 0
    skipped: int = 0
    deleted: int = 0
    failed: list[Failed] = []


class Stopped(Exception):
    """The user has stopped the command, or the server cannot be reached any more."""


class Transfers:
    """Runs tasks. If one file fails, the others go on. If nobody is signed in or the server is away, all end."""

    def __init__(self, out: Output, text: str, total: int = 0) -> None:
        self.out, self.text, self.total = out, text, total
        self.result = Transferred()
        self.lock = threading.Lock()
        self.stopped = threading.Event()

    def run(self, tasks: Iterable[Task]) -> Transferred:
        """Do all tasks. Raises: NotSignedIn, Unreachable; whatever `tasks` raises."""
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(THREADS) as pool, self.out.progress(self.text, self.total) as told:
            try:
                for task in tasks:
                    running.add(pool.submit(self._do, task, told))
                    if len(running) >= WAITING:
                        running = _rest(running)
                while running:
                    running = _rest(running)
            except BaseException:
                self.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self.result

    def _do(self, task: Task, told: Callable[[int, str], None]) -> None:
        def moved(count: int) -> None:
            if self.stopped.is_set():
                raise Stopped
            with self.lock:
                self.result.bytes += count
                told(self.result.bytes, f"{counted(self.result.transferred, 'file')}, {size_text(self.result.bytes)}")

        try:
            moved(0)
            task.do(moved)
        except (NotSignedIn, Unreachable, Stopped):
            raise
        except Failure as failure:
            self.fail(task.name, failure.code, failure.detail)
        except OSError as error:
            self.fail(task.name, "file_error", error.strerror or str(error))
        else:
            with self.lock:
                self.result.transferred += 1

    def fail(self, name: str, code: str, detail: str) -> None:
        with self.lock:
            self.result.failed.append(Failed(name, code, detail))

    def note_deleted(self, bucket: str, results: Iterable[DeletedObject]) -> None:
        for one in results:
            if one.deleted:
                self.result.deleted += 1
            else:
                self.fail(f"{bucket}:{one.key}", one.code or "unknown", "it was not deleted")

    def show(self, verb: str) -> int:
        """Show the result, and return the exit code."""
        result = self.result
        if self.out.json:
            self.out.document(result)
        for one in result.failed[:SHOWN]:
            self.out.warn(f"{one.name}: {one.detail}")
        if len(result.failed) > SHOWN:
            self.out.warn(f"… and {len(result.failed) - SHOWN} more failures; --json lists all of them.")
        parts = [f"{verb} {counted(result.transferred, 'file')} ({size_text(result.bytes)})"]
        parts += [f"{result.skipped} were equal already"] if result.skipped else []
        parts += [f"{counted(result.deleted, 'file')} deleted"] if result.deleted else []
        parts += [f"{len(result.failed)} failed"] if result.failed else []
        (self.out.warn if result.failed else self.out.done)(f"{', '.join(parts)}.")
        return 1 if result.failed else 0

    def show_deleted(self) -> int:
        """Show the number of deleted files, and return the exit code."""
        result = self.result
        if self.out.json:
            self.out.document({"deleted": result.deleted, "failed": result.failed})
        for one in result.failed[:SHOWN]:
            self.out.warn(f"{one.name}: {one.code}")
        (self.out.warn if result.failed else self.out.done)(f"Deleted {counted(result.deleted, 'file')}.")
        return 1 if result.failed else 0


def _rest(running: set[Future[None]]) -> set[Future[None]]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    for one in done:
        one.result()
    return rest
