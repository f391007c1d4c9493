"""The `bunbase` command: one file per noun, on the public HTTP API and nothing else.

What a command found out goes to stdout, as tables or with `--json` as one JSON document; progress, hints and errors
go to stderr. Only `dev`, `serve` and `config` run the server's own code, and only they import it.
"""
