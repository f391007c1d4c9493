"""The embedded PostgreSQL. BunBase finds its programs, creates its data and starts the server. The server ends when the
BunBase process ends.

The server listens only on a Unix socket, in a directory that only its own user can enter. The server authenticates
clients by their operating-system user. The server never runs as root. If BunBase runs as root, and PostgreSQL's user
cannot enter the data directory, PostgreSQL's files are below /var/lib/bunbase.
"""
