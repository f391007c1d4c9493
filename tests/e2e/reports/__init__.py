"""Public reports about similar products, and our tests for the reported faults."""
