"""The embedded PostgreSQL: BunBase finds it, sets it up and starts it. It ends with the process that started it.

It listens only on a Unix socket, in a directory that only its own user can enter, and authenticates callers by their
operating-system user. It never runs as root. If BunBase runs as root and the data directory is closed to PostgreSQL's
user, its files are below /var/lib/bunbase.
"""
