"""A project as one file (`bunbase export`, `bunbase import`), and a project as a copy of another one.

lines        the lines of the file
writing      writes it from the answers of the server
reading      reads it line by line, whatever it holds
checking     checks a whole file before anything is sent
error_groups counts errors by kind
sending      sends the parts of a file to a project
parts        the flag for parts that are copied only when they are asked for
cloning      makes a project that is a copy of another one
"""
