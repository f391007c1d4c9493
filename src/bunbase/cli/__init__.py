"""The `bunbase` command: one file per noun. It talks to the server only through the public HTTP API.

Results go to stdout, as tables or (with `--json`) as one JSON document; progress, hints and errors go to stderr.
Only `dev`, `serve`, `config`, `doctor` and `service-secrets` use the server's own code; they import it when they run.
"""
