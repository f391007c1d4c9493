"""Rules: who may do what with which document, written in CEL.

A rule is parsed and checked once when it is saved. From then on it is a closure that decides about one document, and a
condition that the database applies to many; both always agree.
"""
