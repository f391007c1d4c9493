"""Calls between rooms: the same Protocol, answered here or over HTTP as JSON-RPC 2.0."""
