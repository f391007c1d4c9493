"""SQL migrations of tenant-auth. They are applied in the order of their numbers."""
