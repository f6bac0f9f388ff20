"""The inventory of APIs. Nothing lives here yet; workers will digest exchanges, the exporter will merge the digests."""
