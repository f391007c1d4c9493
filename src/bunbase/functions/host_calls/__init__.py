"""Host calls: the requests of a running function to the server.

Functions request documents (`data.*`), files (`files.*`), users (`auth.*`), channels, jobs (`enqueue`) and `fetch`.

A worker has no credentials. The server takes the project, version and signed-in user from its own record of the call.
"""
