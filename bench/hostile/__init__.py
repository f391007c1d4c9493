"""Measure how long one hostile caller makes all others wait: the CPU time of the longest turns of the event loop."""
