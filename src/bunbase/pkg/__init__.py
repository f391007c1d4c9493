"""Shared libraries that know nothing of the product: any server could use them."""
