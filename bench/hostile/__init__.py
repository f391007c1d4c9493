"""Measure how long one hostile caller makes all others wait: the processor time of the event loop's longest turns."""
