"""BunBase: a self-hosted backend for application developers."""

__version__ = "0.1.0"
