"""The output of a command: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from rich.console import Console
from rich.status import Status
from rich.text import Text

from bunbase.cli import tables
from bunbase.cli.errors import Failure, Refused
from bunbase.cli.streams import json_for
from bunbase.cli.tables import visible
from bunbase.pkg.api_json import api_json

if TYPE_CHECKING:
    from rich.progress import Progress

Shown = TypeVar("Shown", Status, "Progress")

PIPE_WIDTH: Final = 100_000  # in a pipe, lines may be this wide, so that no line is cut off or wrapped

_spinners: Final[list[Status | Progress]] = []  # the spinners that are on the screen now


class Output:
    """The two streams of a command. `json`: print results as JSON, for programs."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self.results = _console(sys.stdout)
        self.asides = _console(sys.stderr)

    def document(self, document: Any) -> None:
        """Print one line of JSON: the result of a command, or one item of a stream."""
        self.encoded(api_json(document))

    def encoded(self, document: bytes) -> None:
        """Print one line of JSON from text that is JSON already."""
        sys.stdout.write(json_for(sys.stdout, document.decode()) + "\n")
        sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        fitted = tables.table(columns, rows, self.results.width)
        self.results.print(fitted.drawing, soft_wrap=True)
        if fitted.left_out:
            self.hint(f"Left out, because the terminal is narrow: {', '.join(fitted.left_out)}. --json shows all.")

    def facts(self, facts: Sequence[tuple[str, Any]]) -> None:
        """Print the fields of one object, one field per line."""
        self.results.print(tables.facts(facts), soft_wrap=True)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Print one line of parts; each is a text, or a text with its style."""
        styled = ((part, "") if isinstance(part, str) else part for part in parts)
        self.results.print(Text.assemble(*((visible(text), style) for text, style in styled)), soft_wrap=True)

    def drawing(self, lines: Sequence[str]) -> None:
        """Print a drawing if stdout is a terminal with enough columns and all needed characters."""
        try:
            "".join(lines).encode(sys.stdout.encoding or "ascii")
        except UnicodeEncodeError:
            return
        if self.results.is_terminal and max(map(len, lines)) <= self.results.width:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def say(self, text: str) -> None:
        """Print a text on stderr that the user needs for the next step, also with `--json`."""
        self.asides.print(Text(visible(text)), soft_wrap=True)

    def hint(self, text: str) -> None:
        """Print a hint on stderr; with `--json`, print nothing."""
        if not self.json:
            self.asides.print(Text(visible(text), "dim"), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning on stderr, also with `--json`."""
        self.asides.print(Text(visible(text), "yellow"), soft_wrap=True)

    def done(self, text: str) -> None:
        if not self.json:
            self.asides.print(Text.assemble(("✓ ", "green"), visible(text)), soft_wrap=True)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show a spinner with `text` while the block runs, if stderr is a terminal."""
        if self.json or not self.asides.is_terminal:
            yield
            return
        with _shown(self.asides.status(Text(text))):
            yield

    @contextmanager
    def working(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show a spinner as `busy` does. Yield a function that takes the progress as a text and shows it."""
        if self.json or not self.asides.is_terminal:
            yield lambda _far: None
            return
        with _shown(self.asides.status(Text(text))) as status:
            yield lambda far: status.update(Text(f"{text}: {visible(far)}"))

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Show a progress bar if stderr is a terminal.

        Yield a function that takes the amount that is done, out of `total`, and a text.
        """
        if self.json or not self.asides.is_terminal:
            yield lambda _done, _far: None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        shown = TextColumn("{task.description}", markup=False)
        columns = (shown, BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
        with _shown(Progress(*columns, console=self.asides, transient=True)) as bar:
            task = bar.add_task(visible(text), total=max(total, 1))
            yield lambda done, far: bar.update(task, completed=done, description=f"{visible(text)}: {visible(far)}")


@contextmanager
def without_spinners() -> Iterator[None]:
    """Hide the spinners while the block runs, because they would write over a question and its answer."""
    hidden = list(_spinners)
    for spinner in hidden:
        spinner.stop()
    yield
    for spinner in hidden:
        spinner.start()


def report(failure: Failure, json: bool) -> None:
    """Print on stderr why a command failed."""
    if json:
        sys.stderr.write(json_for(sys.stderr, msgspec.json.encode(failure.document()).decode()) + "\n")
        return
    text = Text.assemble(("bunbase: ", "red"), visible(failure.detail))
    if isinstance(failure, Refused) and failure.asked:
        text.append(f"\n         asked {_asked(**failure.asked)}", "dim")
    if failure.request_id:
        text.append(f"\n         request {visible(failure.request_id)}", "dim")
    _console(sys.stderr).print(text, soft_wrap=True)


@contextmanager
def _shown(spinner: Shown) -> Iterator[Shown]:
    _spinners.append(spinner)
    try:
        with spinner:
            yield spinner
    finally:
        _spinners.remove(spinner)


def _asked(server: str, project: str = "", project_from: str = "") -> str:
    return f"{server} about the project {visible(project)}, from {visible(project_from)}" if project else server


def counted(number: int, thing: str) -> str:
    """Return a number with its noun, such as `1 document` or `2 documents`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def size_text(size: int) -> str:
    """Return a size in bytes with a unit, such as `812 B` or `5.0 GiB`."""
    if size < 1 << 10:
        return f"{size} B"
    if size < 1 << 20:
        return f"{size / (1 << 10):.1f} KiB"
    return f"{size / (1 << 20):.1f} MiB" if size < 1 << 30 else f"{size / (1 << 30):.1f} GiB"


def _console(file: Any) -> Console:
    return Console(file=file, highlight=False, width=None if file.isatty() else PIPE_WIDTH)
