"""Nothing here is for Python callers."""
