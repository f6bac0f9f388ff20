"""Frames from an interface or a file, each with the packet time in nanoseconds."""
