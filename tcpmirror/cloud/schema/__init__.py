"""The tables. `migrations/` makes them; a test proves that both say the same.

Times are nanoseconds since 1970 (UTC).
"""

from tcpmirror.cloud.schema.access import accounts, audit, sessions, tokens
from tcpmirror.cloud.schema.apis import (
    api_changes,
    api_digests,
    api_endpoints,
    api_hosts,
    api_paths,
    api_specifications,
    api_templates,
)
from tcpmirror.cloud.schema.columns import NUL_SIGN, Packed, TrafficText, metadata
from tcpmirror.cloud.schema.found import attacks, behavior_counters, comments, facets, hits, vulnerabilities
from tcpmirror.cloud.schema.intake import batches, counted_reports, nodes, quarantine, reports
from tcpmirror.cloud.schema.rules import facts, ignore_rules, integrations, mask_rules, node_settings, rule_packs
from tcpmirror.cloud.schema.sources import addresses, api_sessions, source_entries
from tcpmirror.cloud.schema.sums import attack_sums, hit_counts, traffic

__all__ = (
    "NUL_SIGN",
    "Packed",
    "TrafficText",
    "accounts",
    "addresses",
    "api_changes",
    "api_digests",
    "api_endpoints",
    "api_hosts",
    "api_paths",
    "api_sessions",
    "api_specifications",
    "api_templates",
    "attack_sums",
    "attacks",
    "audit",
    "batches",
    "behavior_counters",
    "comments",
    "counted_reports",
    "facets",
    "facts",
    "hit_counts",
    "hits",
    "ignore_rules",
    "integrations",
    "mask_rules",
    "metadata",
    "node_settings",
    "nodes",
    "quarantine",
    "reports",
    "rule_packs",
    "sessions",
    "source_entries",
    "tokens",
    "traffic",
    "vulnerabilities",
)
