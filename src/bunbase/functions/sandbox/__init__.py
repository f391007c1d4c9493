"""What confines a worker: Landlock or bubblewrap, seccomp, limits, and as root a user and namespaces of its own.

Everything but `layers.py` imports the standard library only: the zygote runs it, between the last close and exec. Each
layer is one file; `confine.py` puts them in order, `probe.py` tries each on this machine and then tries to break it.
"""
