"""What the caller sees when PostgreSQL cannot be had."""

from __future__ import annotations

from bunbase.pkg.errors import CannotStart


class PostgresUnavailable(CannotStart):
    """The embedded PostgreSQL cannot run here; the message says what to do."""
