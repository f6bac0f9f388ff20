"""The receiving side: takes batches of reports from sensors, groups them into attacks, answers queries.

The road of a batch: `api.ingestion` reads a bounded body, `batch` checks each report, `ingest` writes reports, hits and
attacks in one transaction and acknowledges after its commit. `attacks` and `nodes` answer the query API (`api.queries`) and
the console. `accounts` and `tokens` say who may ask. Everything that came out of traffic is hostile text: it is stored as
data, bound as a parameter, and never becomes SQL, markup or a header.
"""
