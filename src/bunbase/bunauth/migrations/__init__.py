"""SQL migrations of BunAuth. BunBase applies the migrations in the order of their numbers."""
