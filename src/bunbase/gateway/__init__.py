"""Gateway: it receives all requests from outside.

The gateway checks the key and the token of a request, makes a Caller from them, and passes the request to the part of
BunBase (a room) that answers it. The gateway also enforces limits, adds CORS headers, and writes the log line and
metrics of each request.
"""
