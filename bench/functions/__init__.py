"""Calls of functions: warm, never run and cold, next to bare Bun and to workerd."""
