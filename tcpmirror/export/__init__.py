"""From findings to the people who act on them: a spool on disk, batches to the cloud, metrics and health over HTTP.

On the way out a report is *bytes on a worker's ring*, then *a record in a spool segment* (`segment`, `spool`), then *one of
the reports of a batch* (`wire`, `batches`), which `sender` posts through `client` until the cloud has acknowledged it.
"""
