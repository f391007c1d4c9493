"""Access rules in CEL: they decide which callers may read or write which documents.

A rule is parsed and checked once, when it is saved. The rule is compiled to two forms: a closure, which decides about
one document, and an SQL condition, which the database applies to many documents. The two forms always agree.
"""
