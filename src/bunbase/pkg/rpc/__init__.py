"""Calls between rooms. A contract is a Protocol. The methods of a contract run in this process, or in another process
through JSON-RPC 2.0.
"""
