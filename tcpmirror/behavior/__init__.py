"""Attacks that show only over many exchanges. Nothing lives here yet; it will read reports behind the exporter's merge."""
