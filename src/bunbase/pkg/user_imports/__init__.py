"""Read the user files of other systems.

Each reader is a pure function that turns one record into a line of `POST /v1/auth/users/import`. `files` reads the
records of JSON, CSV, SQL and SQLite files.
"""
