"""Live queries: results that follow the commits of a project.

`service` registers watches, `hub` keeps the groups of one project up to date, `evaluation` runs a query in one
snapshot, `incremental` applies one change to a window. docs/decisions/0086 explains the design.
"""
