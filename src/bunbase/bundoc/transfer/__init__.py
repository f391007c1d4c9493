"""Documents as lines of NDJSON: export and import, streamed.

lines     cutting a stream of bytes into numbered lines, each bounded
reading   what one line of an import says
service   export in pages, import in batches
routes    public HTTP
"""
