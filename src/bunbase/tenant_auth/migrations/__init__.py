"""SQL migrations of tenant-auth. BunBase applies the migrations in the order of their numbers."""
