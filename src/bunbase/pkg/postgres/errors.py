"""The error of the embedded PostgreSQL."""

from __future__ import annotations

from bunbase.pkg.errors import CannotStart


class PostgresUnavailable(CannotStart):
    """The embedded PostgreSQL cannot run here; the message tells what to do."""
