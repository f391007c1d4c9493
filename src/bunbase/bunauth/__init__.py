"""BunAuth: the accounts of the developers who use the platform.

BunAuth signs developers in with a password, keeps their sessions alive with rotating refresh tokens, and can end a
session at once. Anyone who has BunAuth's public keys can check its access tokens.
"""
