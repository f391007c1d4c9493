"""The exception of the embedded PostgreSQL."""

from __future__ import annotations

from bunbase.pkg.errors import CannotStart


class PostgresUnavailable(CannotStart):
    """The embedded PostgreSQL cannot run here. The message describes the reason and the remedy."""
