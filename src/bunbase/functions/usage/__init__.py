"""Statistics and usage of functions, counted in memory and added up by the hour in PostgreSQL.

`meter.py` counts, `durations.py` holds the histogram for percentiles. The rows themselves are in `store/hours.py`.
"""
