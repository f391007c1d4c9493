"""Queries on documents as pure functions: parse a filter, translate it to SQL or a predicate, sort, plan, aggregate.

No function here touches a file or knows the tables of an engine. The meaning is that of MongoDB; docs/queries.md lists
the differences.
"""
