"""The HTTP/1.1 protocol of all ports.

This protocol validates heads, and limits times, bytes and the number of connections.

The protocol runs between the socket and the app, so routes do not need their own limits. Any ASGI app can use it.
"""
