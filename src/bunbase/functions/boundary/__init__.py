"""The boundary between the outside and a function's code: each check and each header that crosses it.

`access.py`: callers; `arriving.py`: the request; `leaving.py`: the answer; `cookies.py`: cookies in both directions.
"""
