class KnownBodies:
    held_bytes: int
