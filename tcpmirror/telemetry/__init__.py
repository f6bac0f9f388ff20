"""What a process tells of itself: counters in shared memory, and log lines."""
