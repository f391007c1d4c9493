"""JSON Schema of a collection: what is refused when it is saved, how documents are checked against it, and which of its
fields refer to documents of other collections. Only `expanding` and `misfits` ask the engine for documents.
"""
