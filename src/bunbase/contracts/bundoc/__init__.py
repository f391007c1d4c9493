"""Bundoc: documents, collections, backups."""
