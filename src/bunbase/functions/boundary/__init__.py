"""The boundary between clients and a function's code.

`access.py` checks the caller. `arriving.py` filters the headers of the request, `leaving.py` filters the headers of the
answer, and `cookies.py` filters the cookies of requests and answers.
"""
