"""Readers of the user files of other systems: each turns a record into a line of `POST /v1/auth/users/import`.

They are pure functions of one record. `files` reads the records of JSON, CSV, SQL and SQLite files.
"""
