"""Rules at work: one caller before one collection, in every way there is to its documents.

The language of rules is `bunbase.bundoc.rules`; here it is asked, before reading, in searches and inside of writes.
What a caller may not see looks as if it were not there.
"""
