"""detect: the attacks that one exchange shows.

* `pack`: rule packs, data in `rules/*.yaml`, validated into `Rule`s.
* `compiled`: their patterns as Hyperscan databases, cached by content.
* `detector`: the two tiers; `verdict` weighs what the rules saw in one value.
* `tokens`, `entities`, `graphql`: what patterns cannot tell, computed.
"""
