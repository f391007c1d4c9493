"""Calls between rooms. A contract is a Protocol: its methods run in this process, or in another one by JSON-RPC 2.0."""
