"""The interfaces between rooms. Each room has one file or one folder with a Protocol, frozen Structs and Problems.

A call on behalf of a caller takes the `Caller` as its first argument. A call that serves no particular caller (keys,
revocations, the end of a project) takes the project first instead.
"""
