"""What was found in the reports: attacks with their hits, counters of behaviour, weaknesses."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, Table

from tcpmirror.cloud.schema.columns import Id, Packed, TrafficText, metadata

# Ids are never given twice (autoincrement): a link to an attack that has expired must not open another one.
attacks = Table(
    "attacks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("type", TrafficText, nullable=False),
    Column("point", Packed, nullable=False),
    Column("parameter", TrafficText, nullable=False),
    Column("host", TrafficText, nullable=False),
    Column("path", TrafficText, nullable=False),
    Column("method", TrafficText),
    Column("server", TrafficText, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("payloads", BigInteger, nullable=False),
    Column("sources", BigInteger, nullable=False),
    Column("last_source", TrafficText, nullable=False),
    Column("last_payload", TrafficText, nullable=False),
    Column("last_status", Integer),
    Column("confidence", Float, nullable=False),
    # An incident is an attack some hit of which has evidence of success.
    Column("evidence_hits", BigInteger, nullable=False, server_default="0"),
    Column("evidence", TrafficText, nullable=False, server_default=""),  # of the newest hit that has any
    Column("status", TrafficText, nullable=False, server_default="open"),
    Column("assignee", TrafficText, nullable=False, server_default=""),
    # What `traits.joined` makes of the hits, and the smallest and largest response body among them.
    Column("traits", TrafficText, nullable=False, server_default=""),
    Column("response_least", BigInteger, nullable=False, server_default="0"),
    Column("response_most", BigInteger, nullable=False, server_default="0"),
    Column("counted", BigInteger, nullable=False, server_default="0"),  # of its hits: those that are not stored
    Column("severity", Integer, nullable=False, server_default="0"),  # place in model.finding.SEVERITIES from 1; 0: unknown
    Index("attacks_by_key", "key", "last_ns"),
    Index("attacks_by_time", "last_ns", "id"),
    Index("attacks_by_type", "type", "last_ns"),
    Index("attacks_by_hits", "hits", "id"),
    Index("attacks_by_start", "first_ns", "id"),
    Index("attacks_by_confidence", "confidence", "id"),
    Index("attacks_by_severity", "severity", "id"),
    sqlite_autoincrement=True,
)
_PROVEN: Final = attacks.c.evidence_hits > 0
Index("incidents_by_time", attacks.c.last_ns, attacks.c.id, sqlite_where=_PROVEN, postgresql_where=_PROVEN)

# Counters of behaviour, merged over sensors. ``base``: requests above the threshold in slots that are gone; ``marked``: all;
# ``since``: those before the attack ``attack_id``, which goes on until ``attack_ns``.
behavior_counters = Table(
    "behavior_counters",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("last_ns", BigInteger, nullable=False),
    Column("base", BigInteger, nullable=False),
    Column("marked", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("subject", TrafficText, nullable=False),
    Column("attack_id", Id),
    Column("attack_ns", BigInteger, nullable=False),
    Column("counter", LargeBinary, nullable=False),
    Index("behavior_counters_of_attack", "attack_id"),
    Index("behavior_counters_by_time", "last_ns"),
)

hits = Table(
    "hits",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attack_id", Id, ForeignKey("attacks.id", ondelete="CASCADE"), nullable=False),
    Column("report_id", TrafficText, ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("type", TrafficText, nullable=False),
    Column("point", Packed, nullable=False),
    Column("payloads", Packed, nullable=False),
    Column("rule", TrafficText, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("evidence", TrafficText, nullable=False, server_default=""),
    Column("grade", TrafficText, nullable=False, server_default=""),
    Column("severity", Integer, nullable=False, server_default="0"),
    Index("hits_of_attack", "attack_id", "time_ns", "id"),
    Index("hits_of_report", "report_id"),
    sqlite_autoincrement=True,
)

# How many hits of an attack had each source, payload and response code. A code is written in decimal digits; "": none seen.
facets = Table(
    "facets",
    metadata,
    Column("attack_id", Id, ForeignKey("attacks.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", TrafficText, primary_key=True),
    Column("value", TrafficText, primary_key=True),
    Column("hits", BigInteger, nullable=False),
    Index("facets_by_value", "kind", "value", "attack_id"),
    sqlite_with_rowid=False,
)

comments = Table(
    "comments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attack_id", Id, ForeignKey("attacks.id", ondelete="CASCADE"), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("author", TrafficText, nullable=False),
    Column("text", TrafficText, nullable=False),
    Index("comments_of_attack", "attack_id", "id"),
)

vulnerabilities = Table(
    "vulnerabilities",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", LargeBinary, nullable=False),  # a hash of the weakness's own
    Column("kind", TrafficText, nullable=False),
    Column("type", TrafficText, nullable=False),
    Column("severity", Integer, nullable=False),  # index into vulns.catalog.SEVERITIES
    Column("host", TrafficText, nullable=False),
    Column("method", TrafficText, nullable=False),
    Column("path", TrafficText, nullable=False),
    Column("subject", TrafficText, nullable=False),
    Column("status", TrafficText, nullable=False),
    Column("is_proven", Boolean, nullable=False),  # else it waits for more marks and is not shown
    Column("count", BigInteger, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("found_ns", BigInteger, nullable=False),
    Column("judged_ns", BigInteger, nullable=False),  # when its status was last changed; 0: never
    Column("judged_by", TrafficText, nullable=False),
    Column("comment", TrafficText, nullable=False),
    Column("weakness", Packed, nullable=False),  # the row of vulns.weakness
    Index("vulnerabilities_by_key", "key", unique=True),
    Index("vulnerabilities_by_time", "last_ns", "id"),
    sqlite_autoincrement=True,
)
