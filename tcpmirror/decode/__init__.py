"""decode: from an exchange to its points, the values that can carry something.

* `points`: the request or response taken apart into `Point`s, each value decoded again and again within a `Budget`.
* `normal`: the cheap form of a whole request that the first tier scans instead.
* `text` (compiled): the decodings of one value; `fold` undoes disguises that need no decoder.
* `form`, `json_doc`, `xml`, `multipart`, `jwt`, `gql`: one notation each; `body` tells which of them a body is.
"""
