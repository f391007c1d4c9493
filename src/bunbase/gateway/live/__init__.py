"""Live queries for clients: connections, their sign-in and their watches, and the way from Bundoc's events to sockets.

A connection is a Session, which knows nothing of its transport. All sessions of this process share one stream of
Bundoc. docs/live-protocol.md is the protocol; docs/decisions/0087 has the reasons.
"""
