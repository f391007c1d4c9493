"""Bundoc: the document store, one world of collections for each project.

A document is a JSON object under an id; it comes back as the bytes it was stored as, with system fields in front.
Every project's documents lie encrypted under its own data key, and no answer leaves before the write is on disk.
"""
