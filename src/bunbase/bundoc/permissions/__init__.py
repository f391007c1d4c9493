"""Apply the rules of a collection to a caller, for reads, searches and writes.

The language of rules is `bunbase.pkg.rules`; `bunbase.bundoc.rules` compiles them for documents. A document that a
caller may not see looks as if it did not exist.
"""
