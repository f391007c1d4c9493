"""BunKMS: the room that holds keys, so that no other room has to.

A master key wraps the key-encryption keys of each owner. These wrap data keys and seal small secrets. Every owner also
has a signing key that never leaves the room. Once an owner's keys are destroyed, nobody can read the data they protect.
"""
