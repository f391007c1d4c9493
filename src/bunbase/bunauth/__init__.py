"""BunAuth: accounts of the developers who use the platform.

It signs them in with a password, keeps their sessions alive by rotating refresh tokens and ends them at once when
asked. Its access tokens can be checked by anyone who has its public keys.
"""
