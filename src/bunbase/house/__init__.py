"""The house: the only part of BunBase that knows all rooms.

The house reads the configuration, and decides which rooms run in this process and which rooms are called over the
network. The house opens each room after the rooms that the room needs, and closes the rooms in reverse order.
"""
