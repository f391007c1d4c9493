"""Measure queries while a collection grows."""
