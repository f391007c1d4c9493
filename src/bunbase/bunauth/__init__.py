"""BunAuth: accounts of the developers who use the platform.

It signs them in with a password, keeps their sessions alive with rotating refresh tokens, and can end a session at
once. Anyone who has its public keys can check its access tokens.
"""
