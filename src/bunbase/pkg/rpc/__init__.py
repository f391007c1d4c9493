"""Calls between rooms: the same Protocol, answered in this process or over HTTP as JSON-RPC 2.0."""
