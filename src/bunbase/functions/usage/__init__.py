"""Calls counted for statistics and bills."""
