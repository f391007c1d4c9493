"""The JSON Schema of a collection: checks when it is saved, validation of documents, and references to documents of
other collections. No function here reads documents from an engine.
"""
