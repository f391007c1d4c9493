"""Forward-only SQL migrations of the schema buncast."""
