"""The house: the only room that knows all rooms.

It reads the configuration and decides which rooms open in this process and which are called over the network. It opens
the rooms in the order of their needs, and closes them in reverse.
"""
