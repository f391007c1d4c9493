"""Many projects on one node: how fast they come to be, what the first read of a cold one costs, what they hold."""
