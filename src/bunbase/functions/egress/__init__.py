"""The only way from functions to the network: the server makes their requests, to the hosts that each version allows.

`allowed.py` checks host names, and `addresses.py` checks IP addresses. Only `network.py` opens connections, and it
connects to exactly the address that was checked.
"""
