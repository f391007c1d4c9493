"""Update operators such as `$set` and `$inc`, as in MongoDB. The operators change JSON text.

Values that an update does not change keep their exact digits. Conditions on elements are filters, and elements are
equal and ordered as in queries. docs/queries.md lists the differences from MongoDB.
"""
