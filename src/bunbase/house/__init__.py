"""The house: the only room that knows all rooms.

It reads the configuration, decides which rooms open in this process and which are reached over the wire, opens
them in order and closes them in reverse.
"""
