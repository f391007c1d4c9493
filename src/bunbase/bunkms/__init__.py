"""BunKMS: the room that holds the keys of all other rooms.

A master key wraps the key-encryption keys of each owner. The key-encryption keys wrap data keys and seal small secrets.
Every owner also has a signing key that never leaves the room. After an owner's keys are destroyed, nobody can read the
data that they protect.
"""
