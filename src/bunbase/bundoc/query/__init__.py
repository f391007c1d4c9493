"""Queries on documents as pure functions: parse a filter, translate it to SQL or a predicate, sort, plan, aggregate.

No function here uses a file or the tables of an engine. Queries mean the same as in MongoDB; docs/queries.md lists the
differences.
"""
