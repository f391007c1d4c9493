"""The functions' only way to the network: the host makes their requests, to the hosts that each version names.

`allowed.py` says which hosts, `addresses.py` which addresses; `network.py` is the one place where a connection is made,
and it connects to the very address that was checked.
"""
