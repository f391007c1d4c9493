"""Measure live queries with many sockets, and compare them with PocketBase and with bare sockets of Node."""
