"""Buncast: channels and the presence of their members.

This process is the home of all channels: it gives each message its place in the order of its channel, keeps the last
messages in rings, and knows the members. The sockets of clients are in other processes, the edges. Only the definitions
of channels are stored.
"""
