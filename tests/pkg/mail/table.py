"""Open a database with the table of mails, which the docstring of `pkg/mail/outbox.py` defines."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import bunbase
from bunbase.pkg.db.database import Database, open_database
from bunbase.pkg.mail import outbox

MIGRATIONS = sorted(Path(bunbase.__file__).parent.glob("*/migrations/*_mails.sql"))


def documented_table() -> str:
    """Return the statements in the docstring."""
    lines = (outbox.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    "))) + "\n"


@asynccontextmanager
async def mail_database(url: str) -> AsyncIterator[Database]:
    async with open_database(url, "bunauth", "bunbase.bunauth.migrations") as database:
        yield database
