"""Libraries that all rooms share. These libraries contain no knowledge of the product, so any server could use them."""
