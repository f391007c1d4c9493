"""`bunbase version`: show the version of this command."""

from __future__ import annotations

from bunbase import __version__
from bunbase.cli.flags import FLAGS, Flags
from bunbase.cli.output import Output


def version(*, flags: Flags = FLAGS) -> None:
    """Show the version of this command.

    Example: bunbase version
    """
    out = Output(flags.json)
    if flags.json:
        out.document({"version": __version__})
        return
    out.line(f"bunbase {__version__}")
