"""What to admit, in what order, and why not: pure decisions, no I/O, no clock."""
