"""Public reports about like products, and the tests that hold what they are about."""
