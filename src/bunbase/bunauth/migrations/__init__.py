"""SQL of BunAuth, applied in order."""
