"""Host calls: a running function asks for documents (`data.*`), users (`auth.*`), jobs (`enqueue`) or `fetch`.

A worker has no credentials. The host takes project, version and signed-in user from its own record of the call.
"""
