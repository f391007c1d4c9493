"""The boundary between clients and a function's code.

`access.py` checks the caller. `arriving.py` filters the headers of the request, `leaving.py` those of the answer, and
`cookies.py` the cookies of both.
"""
