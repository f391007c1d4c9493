"""Functions: users' TypeScript, run on Bun.

It keeps the versions of each function, the environment they see and what they log, and runs the active version in
worker processes that serve one version of one function each. Whoever may call is let through to a warm worker
without a trip to the database.
"""
