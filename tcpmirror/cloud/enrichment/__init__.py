"""What is known of a source besides its address: country, network, kind; and which list of ours it is on.

* `source`: the value itself, and the kinds there are.
* `databases`: MMDB files that the operator gives.
* `reputation`: lists of addresses and networks, in files or at URLs.
* `book`: both asked as one, and looked at again when they change.
* `entries`: allow, deny and gray lists, as people keep them here.
* `marking`: what is known, written beside each stored address and its attacks.
"""
