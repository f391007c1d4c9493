"""Forward-only SQL migrations of the schema functions."""
