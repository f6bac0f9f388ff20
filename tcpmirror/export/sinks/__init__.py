"""Where findings go beside the cloud: one module an addressee, each read from the spool at its own pace.

A *sink* is given *hits* (one finding of one report, see `hit`) and returns when the addressee has them. What it cannot
deliver is one of the two exceptions of `delivery`. A crash between delivery and acknowledgement repeats hits under the same
id; Elasticsearch, NATS JetStream, Kafka and S3 know them by it.
"""
