"""The sandbox of a worker. The layers of the sandbox are Landlock or bubblewrap, seccomp, and resource limits.

If the server is root, each worker also gets its own user and namespaces. If cgroups are delegated to the server, each
worker also gets its own cgroup. Each layer is one file. `confine.py` applies them in order. `probe.py` applies each
layer on this machine and attacks it.

All files except `layers.py`, `switch.py` and `worker_cgroups.py` import the standard library only, because the zygote
runs them between fork and exec.
"""
