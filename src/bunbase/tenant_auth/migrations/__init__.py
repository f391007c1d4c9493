"""SQL of tenant-auth, applied in order."""
