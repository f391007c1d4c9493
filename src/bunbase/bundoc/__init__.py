"""Bundoc: the document store. Each project has its own collections.

A document is a JSON object with an id. Reads return the bytes that were stored, with system fields in front. The
documents of each project are encrypted under its own data key. A write is answered only after it is on disk.
"""
