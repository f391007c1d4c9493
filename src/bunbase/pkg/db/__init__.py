"""PostgreSQL: a pool and a schema per room, plain SQL, rows as msgspec Structs."""
