"""Live queries: results that follow the commits of a project.

`service` registers watches, `hub` keeps the groups of one project up to date, `evaluation` runs a query in one
snapshot, and `incremental` applies one change to a window. docs/decisions/0086 explains the design.

Terms of this folder:

- A *watch* is a live query of one client. An *edge* is a process that serves clients. A watch is a *member* of a group.
- A *view* is the part of a query's result that rules show to a caller. A *group* has all watches with the same view.
- A *round* brings all groups to the same change. A group is *stale* if its query must run again before that.
- A *window* holds the rows of a result. A *Barrier* tells an edge that it has all events up to a change.
- A watch is *behind* or *late* if its query takes more time than a round has. A query is *dear* if it is so expensive
  that it would be late again.
"""
