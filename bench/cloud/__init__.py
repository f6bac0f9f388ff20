"""How fast the cloud is when its store is large: `python -m bench.cloud fill | time | ingest ADDRESS`."""
