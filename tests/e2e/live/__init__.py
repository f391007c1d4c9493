"""Live queries over the wire: random histories with an oracle, over each transport and both topologies."""
