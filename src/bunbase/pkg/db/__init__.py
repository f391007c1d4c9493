"""Access to PostgreSQL. Each room has its own schema and pool, writes plain SQL, and gets rows as msgspec Structs."""
