"""Types of documents in TypeScript and Python, made from the JSON Schemas of collections (docs/decisions/0069).

model       the types that both languages share, with their union and intersection
schemas     reads a JSON Schema and returns such a type
naming      the names of the types of a collection
collections the types of all collections of a project
typescript, python   write the types in the two languages
"""
