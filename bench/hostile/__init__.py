"""How long a hostile caller makes others wait: the processor time of the longest turns of the event loop."""
