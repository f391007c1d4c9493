"""Live queries for clients: connections, their sign-in and their watches, and the way from Bundoc's events to sockets.

A connection is a Session, which does not know its transport. A watch is one query of a client. A barrier (the message
`at`) tells a client that all its results have reached a state. All sessions of this process share one stream of events
from Bundoc. docs/live-protocol.md is the protocol; docs/decisions/0087 has the reasons.
"""
