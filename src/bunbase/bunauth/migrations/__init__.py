"""SQL migrations of BunAuth. They are applied in the order of their numbers."""
