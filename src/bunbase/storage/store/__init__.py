"""The names and properties of objects: an encrypted SQLite file for each project. Only this package contains SQL.

tables    the tables of a file
files     the open files of all projects, and the key of each
file      one open file: a connection that writes, and connections that read
buckets   the rows of buckets
objects   the rows of objects
blobs     the blobs that objects and parts refer to
multipart the rows of uploads in several parts
listing   one page of a list
"""
