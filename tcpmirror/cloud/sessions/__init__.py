"""Sessions of those who use the observed applications: what sensors noted, merged by session and day, and how it is read."""
