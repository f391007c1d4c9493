"""What crosses the boundary between the outside and a function's code.

`access.py`: callers; `arriving.py`: the request; `leaving.py`: the answer; `cookies.py`: cookies in both directions.
"""
