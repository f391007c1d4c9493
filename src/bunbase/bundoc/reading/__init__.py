"""Queries and their answers: filters, text search, expanded references, and documents that violate a schema."""
