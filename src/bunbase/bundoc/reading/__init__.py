"""Run queries: filters, text search, expanded references, and the search for documents that violate a schema."""
