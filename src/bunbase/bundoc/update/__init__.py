"""Update operators such as `$set` and `$inc`, as in MongoDB. They change JSON text.

Values that an update does not change keep their exact digits. These are the differences from MongoDB: objects with the
same fields in another order are equal; `$now` writes a string in RFC 3339; positional paths (`$`, `$[]`) and `$sort` in
`$push` are not supported.
"""
