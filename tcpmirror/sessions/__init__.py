"""Which exchanges belong to one actor. Nothing lives here yet; it will stand behind the exporter's merge."""
