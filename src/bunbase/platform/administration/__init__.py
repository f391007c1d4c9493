"""Projects as the administrators of the installation see and change them."""
