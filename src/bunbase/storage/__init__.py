"""Storage: files of any size, called objects, in buckets.

The bytes of an object are in a sealed blob, which has a random id and never changes. The names and properties of
objects are in an encrypted SQLite file, one for each project. Rules decide what callers may do with objects.
"""
