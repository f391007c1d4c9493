"""BunKMS: the room that holds keys, so that no other has to.

A master key wraps each owner's key-encryption keys; those wrap data keys and seal small secrets. Every owner also
has a signing key that never leaves. Destroying an owner's keys makes all that they protected unreadable for good.
"""
