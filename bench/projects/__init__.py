"""Many projects on one node: how fast they are created, how long the first read takes, how much memory they hold."""
