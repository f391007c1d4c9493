"""The parts of a sandbox that every confined process shares, whatever program it runs.

bpf         programs in classic BPF
filters     install a seccomp filter
kernel      system calls and prctl options that Python does not offer
landlock    the list of files that a process may open
namespaces  leave the namespaces of the host
privileges  become a user that no other process has
syscalls    the numbers of system calls

All files import the standard library only, because a process runs them before it confines itself.
"""
