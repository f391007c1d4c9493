"""The JSON Schema of a collection: the checks of a new schema, the validation of documents, and references to documents
of other collections. No function here reads documents from an engine.
"""
