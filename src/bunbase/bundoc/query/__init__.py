"""Queries on documents, as pure functions: read a filter, turn it into SQL or a predicate, order, plan, aggregate.

Nothing here touches a file or knows an engine's tables. The meaning is MongoDB's; docs/queries.md says where not.
"""
