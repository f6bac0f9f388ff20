"""Compiled functions only, for the other modules of this package."""
