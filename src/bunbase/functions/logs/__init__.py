"""Log lines of functions, which are buffered, translated, written in batches and followed live.

`buffer.py` collects lines, `stack_traces.py` and `source_map.py` translate the places in them, `followers.py` wakes
the readers that wait for new lines. The rows themselves are in `store/logs.py`.
"""
