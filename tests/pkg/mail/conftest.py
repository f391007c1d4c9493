from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from tests.pkg.mail.smtp_server import SmtpStub
from tests.pkg.mail.table import mail_database


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with mail_database(database_url) as opened:
        yield opened


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[SmtpStub]:
    """Yield an SMTP server that accepts every mail in plain text."""
    async with SmtpStub().running() as stub:
        yield stub
