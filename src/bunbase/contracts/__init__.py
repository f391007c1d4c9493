"""The calls between rooms: one file per room, or a folder, with a Protocol, frozen Structs and Problems.

`Caller` comes first in every call made for somebody; calls between rooms that serve no one in particular
(keys, revocations, the end of a project) take the project first instead.
"""
