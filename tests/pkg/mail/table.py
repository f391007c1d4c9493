"""Open a database with the table of mails, which stands in the docstring of `pkg/mail/outbox.py`."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from bunbase.pkg.db.database import Database, open_database
from bunbase.pkg.mail import outbox

MIGRATION = resources.files("bunbase.bunauth.migrations") / "0004_mails.sql"


def documented_table() -> str:
    """Return the statements in the docstring."""
    lines = (outbox.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    "))) + "\n"


@asynccontextmanager
async def mail_database(url: str) -> AsyncIterator[Database]:
    async with open_database(url, "bunauth", "bunbase.bunauth.migrations") as database:
        yield database
