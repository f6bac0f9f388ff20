"""tcpmirror: a passive API-security sensor for mirrored TCP traffic."""

__version__ = "0.1.0"
