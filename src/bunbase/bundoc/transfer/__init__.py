"""The streamed export and import of documents as lines of NDJSON.

import_line  reads one line of an import
order        orders the collections of an export by their references
batches      collects the lines of an import into batches, and adds up the results
trial        checks the lines of a dry run
service      exports pages, and imports a batch
routes       is the public HTTP
"""
