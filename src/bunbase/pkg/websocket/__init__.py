"""WebSocket (RFC 6455) for the server: the handshake, one connection, and the frames to send.

The library `websockets` checks handshakes and parses frames. Frames to send are built here, so that the same bytes can
go to many connections.
"""
