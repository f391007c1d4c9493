"""HTTP/1.1 as every port of ours speaks it: what a head may say, how long anything may take, how many may connect.

It stands between the socket and the app, so that no route needs bounds of its own. It knows nothing of what is served.
"""
