"""Weaknesses that answers give away. Nothing lives here yet; it will stand behind the exporter's merge."""
