"""Queries on documents, as pure functions: read a filter, turn it into SQL or a predicate, order, plan, aggregate.

Nothing here touches a file or knows an engine's tables; the meaning is MongoDB's, and docs/queries.md says where it is not.
"""
