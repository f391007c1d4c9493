"""PostgreSQL: each room has its own schema and pool, writes plain SQL, and reads rows as msgspec Structs."""
