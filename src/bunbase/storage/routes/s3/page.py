"""The table of operations in `docs/s3.md`. `python -m bunbase.storage.routes.s3.page` prints it."""

from __future__ import annotations

from bunbase.storage.routes.s3.operations import OPERATIONS, UNSUPPORTED


def table() -> str:
    """Return the table of supported operations, and the names of all others, in Markdown."""
    rows = [f"| `{one.name}` | {one.note} |" for one in OPERATIONS]
    others = ", ".join([f"`{one.name}`" for one in UNSUPPORTED])
    head = "| operation | remarks |\n|---|---|\n"
    return f"{head}{chr(10).join(rows)}\n\nAll other operations are answered with `501 NotImplemented`: {others}.\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(table())
