"""Calls between rooms. A contract is a Protocol. Its methods run in this process, or in another process through
JSON-RPC 2.0.
"""
