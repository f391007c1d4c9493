"""The HTTP/1.1 protocol of all ports. It validates heads, and limits times, bytes and the number of connections.

The protocol runs between the socket and the ASGI app, so routes need no such limits themselves. It works with any app.
"""
