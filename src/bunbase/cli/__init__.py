"""The `bunbase` command: one file per subcommand. The command talks to the server only through the public HTTP API.

Results go to stdout, as tables or (with `--json`) as one JSON document; progress, hints and errors go to stderr.
Only five commands use the server's code: `dev`, `serve`, `config`, `doctor` and `service-secrets`. These five import
the server's code when they run.
"""
