"""What memories are and how they are judged: pure functions and values, no I/O, no clock."""
