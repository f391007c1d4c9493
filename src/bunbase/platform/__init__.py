"""Platform: the control plane.

It knows the projects of the installation, the keys that open them and the developers who work on them. Making a
project gives it an encryption key of its own; deleting it destroys that key and tells every other room to forget.
"""
