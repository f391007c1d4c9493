"""Bundoc: the document store. Each project has its own collections.

A document is a JSON object with an id. A read returns the stored bytes, with the system fields in front. Each project
has a data key, which encrypts its documents. Bundoc answers a write only after the write is on disk.

Terms in this room: callers *bound by rules* are end users and visitors; rules do not bind the secret key and members of
the project. The *terms* of a collection are its compiled definition: rules, schema and references. The *guard* of a
write applies the rules to the write, inside its transaction.
"""
