"""Update operators: `$set`, `$inc` and the like, with MongoDB's meaning, on JSON text.

What an update does not touch keeps its very digits. Where we differ from MongoDB: objects are equal whatever the order
of their names, `$now` writes RFC 3339 text, and there are no positional paths (`$`, `$[]`), nor `$sort` within `$push`.
"""
