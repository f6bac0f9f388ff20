SUPPORTED_LINK_TYPES: frozenset[int]
