"""What a running function may ask of the host: documents (`data.*`), users (`auth.*`), jobs (`enqueue`), the
network (`fetch`).

A worker is nobody in particular: project, version and signed-in user come from the host's own record of the call.
"""
