"""Compare bunbase.toml with a project on a server, and make the project what the file says (`diff`, `deploy`, `pull`).

A plan is a list of changes. Each is additive, rewriting or losing; a losing change is applied only if it is named.
"""
