"""The acts of callers on buckets and objects, one file for each kind of act.

buckets      create, read, change and delete buckets
access       find out whether a caller may read or write an object
uploads      uploads that run now; each ends with one transaction
downloads    objects and ranges of them, decrypted piece by piece
removing     delete one or many objects
copying      copy and move objects without their bytes
listing      pages of objects, filtered by the rule
linking      make and check signed links
changes      the change log: read it, wait for the next change, shorten it
sweeping     delete the blobs that no object needs
"""
