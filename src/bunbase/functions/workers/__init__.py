"""Bun processes: how they are started, spoken to, shared out, watched and ended. Knows nothing of HTTP or SQL."""
