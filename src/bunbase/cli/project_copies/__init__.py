"""A project as one file (`bunbase export`, `bunbase import`), and a project as a copy of another one.

lines        the lines of the file
writing      writes the file from the answers of the server
reading      reads the file line by line, whatever it contains
checking     checks a whole file before a request is sent
error_groups counts errors by kind
sending      sends the content of a file to a project
content      the bytes of one object, from line to line
exported_files, imported_files  the buckets and objects of the file
parts        the flag for parts that are copied only on request
cloning      creates a project as a copy of another project
"""
