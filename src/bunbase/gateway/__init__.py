"""Gateway: the front door.

It turns keys and tokens into a Caller, once, and hands the request to the room that answers it. Limits, CORS,
request ids, the log line and the metrics of a request are its business; what a request means is not.
"""
