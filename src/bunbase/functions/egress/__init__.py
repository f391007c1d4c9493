"""The only way from functions to the network: the host makes their requests, to hosts that each version names.

`allowed.py` checks host names and `addresses.py` checks addresses. `network.py` is the only place where a connection is
made, and it connects to the same address that was checked.
"""
