"""Compare bunbase.toml with a project on a server, and make the project match the file (`diff`, `deploy`, `pull`).

A plan is a list of changes. Each change is additive, rewriting or losing. A losing change needs a flag that names it.
"""
