"""Messages to domain values and back: no I/O, no judgement."""
