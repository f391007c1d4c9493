"""The embedded PostgreSQL: found, set up, started, and ended with the process that started it.

It listens on a Unix socket in a directory of its owner's alone, knows callers by their operating-system user, and
never runs as root. Where root's data directory is closed to the user it runs as, its files lie below /var/lib/bunbase.
"""
