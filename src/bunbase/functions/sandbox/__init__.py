"""What confines a worker: Landlock or bubblewrap, seccomp, limits; as root a user and namespaces; perhaps a cgroup.

Everything but `layers.py`, `switch.py` and `worker_cgroups.py` imports the standard library only: the zygote runs it,
between the last close and exec. Each layer is one file; `confine.py` puts them in order, `probe.py` tries each on this
machine and then tries to break it.
"""
