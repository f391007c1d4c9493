"""What functions use: calls, seconds, memory and processor time, counted in memory and written by the hour.

`meter.py` counts, `durations.py` holds the histogram for percentiles. The rows themselves are in `store/hours.py`.
"""
