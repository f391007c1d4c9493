"""Buncast: channels and the presence of their members.

This process is the home of all channels. The home gives each message a number in the order of its channel, stores the
last messages in rings (`ring.py`), and has the lists of members. The gateways hold the connections of clients. Buncast
calls these gateways edges. Only the definitions of channels are stored on disk.
"""
