"""Live queries with many sockets, next to PocketBase and to bare sockets of Node."""
