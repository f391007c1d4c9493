"""Update operators such as `$set` and `$inc`, with the meaning of MongoDB, applied to JSON text.

Values that an update does not change keep their exact digits. Differences from MongoDB: the order of names does not
matter for the equality of objects; `$now` writes RFC 3339 text; positional paths (`$`, `$[]`) and `$sort` in `$push`
are not supported.
"""
