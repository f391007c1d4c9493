"""Print the help of a command so that its paragraphs fill the lines of the terminal.

Lines of docstrings have up to 120 characters. A terminal of 80 columns would break each line into a long line and a
short line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class FlowingHelp:
    """A formatter of cyclopts. It imports the default formatter, which prints the lists, only when it prints help."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        from cyclopts.help import DefaultFormatter

        DefaultFormatter()(console, options, panel)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)

    def render_description(self, console: Console, _options: ConsoleOptions, description: object) -> None:
        from cyclopts.help import InlineText
        from rich.text import Text

        if isinstance(description, InlineText) and isinstance(description.primary_renderable, Text):
            description.primary_renderable = Text(flowing(description.primary_renderable.plain))
        if description:
            console.print(description)


def flowing(text: str) -> str:
    """Return the text with each paragraph on one line. Lines of lists, flags and code stay separate lines."""
    lines: list[str] = []
    for line in text.splitlines():
        if lines and lines[-1] and line and not line.startswith(("-", " ")) and not lines[-1].startswith(" "):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return "\n".join(lines)
