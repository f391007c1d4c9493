"""Queries and their answers: filters, search by text, documents that others refer to, documents that miss a schema."""
