"""Libraries that all rooms share. They contain no knowledge of the product, so any server could use them."""
