"""Blobs: the sealed bytes of objects, on a disk or in S3. This package knows no buckets, keys and rules.

format  the layout of a blob: a header, then chunks that are encrypted one by one
store   write, read, list and delete blobs through obstore
"""
