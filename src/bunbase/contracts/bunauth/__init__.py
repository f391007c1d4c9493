"""BunAuth: accounts of the developers who use the platform."""
