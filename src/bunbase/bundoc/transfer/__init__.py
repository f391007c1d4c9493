"""Documents as lines of NDJSON: export and import, streamed.

lines        cut a stream of bytes into numbered lines of bounded length
import_line  read one line of an import
batches      collect the lines of an import into batches, and add up their results
service      export in pages, import a batch
routes       public HTTP
"""
