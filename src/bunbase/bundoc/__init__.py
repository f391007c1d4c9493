"""Bundoc: the document store. Each project has its own collections.

A document is a JSON object with an id. Reads return the stored bytes with the system fields in front. Each project has
a data key, which encrypts its documents. Bundoc answers a write only after the write is on disk.
"""
