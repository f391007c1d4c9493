"""`bunbase storage`: the credentials of a project's files."""

from __future__ import annotations

from cyclopts import App

from bunbase.cli.s3_credentials import app as s3_credentials

app = App(name="storage", help="Manage the credentials with which clients of S3 use a project's files.")
app.command(s3_credentials)
