"""Answers of queries while a collection grows."""
