"""The log lines of functions: they are buffered, translated, written in batches and followed live.

`buffer.py` collects lines. `stack_traces.py` and `source_map.py` translate places in bundles to places in source files.
`followers.py` wakes the readers that wait for new lines. The rows themselves are in `store/logs.py`.
"""
