"""Measure calls of functions (warm, never run, and cold), and compare them with bare Bun and workerd."""
