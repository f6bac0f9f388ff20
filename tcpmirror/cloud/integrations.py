"""Where hits go from here: chats, ticket systems, SIEMs. Checked by the code that reads `sinks` in the settings of a node.

The cloud sends by itself, so that no sensor needs a way to them, and each hit that is stored goes out once, whichever
sensor saw it. What is only counted (`sampling`) is not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.facts import fact, keep_fact
from tcpmirror.cloud.ignore_rules import NameTaken
from tcpmirror.cloud.schema import hits, integrations, reports
from tcpmirror.errors import SettingsError
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.selection import selection_of
from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report
from tcpmirror.settings.one_sink import read_sink
from tcpmirror.settings.tree import Sink

# Not `file` and `stdout`, which are of the machine the cloud runs on, nor `kafka`, whose settings can load what lies there.
TYPES: Final = ("webhook", "slack", "teams", "syslog", "elasticsearch", "splunk", "nats", "s3")
INTEGRATIONS: Final = 50
LEASE_NS: Final = 120 * 10**9  # a delivery of a batch takes a quarter of it at most
_CLAIM: Final = "integrations_sender"
_PROBLEM_CHARS: Final = 300


class BadIntegration(Exception):
    """What cannot be; its text names key, value and what is accepted."""


def checked(given: dict[str, Any]) -> Sink:
    """Return the sink with the keys *given*; BadIntegration."""
    plain = {name: value for name, value in given.items() if value not in ("", None, [], {})}
    if plain.get("type") not in TYPES:
        raise BadIntegration(f"type: {str(plain.get('type', ''))[:40]!r}; accepted: {', '.join(TYPES)}")
    if "ca_file" in plain:
        raise BadIntegration("ca_file: a file of the machine the cloud runs on; accepted: none")
    try:
        return read_sink(plain, "integration")
    except SettingsError as error:
        raise BadIntegration(str(error)) from error


def create_integration(database: Database, given: dict[str, Any], actor: Actor, now_ns: int) -> int:
    """Return the id of a new integration, which gets the hits that are stored from now on; BadIntegration, NameTaken."""
    sink = checked(given)
    row = {
        "name": sink.name,
        "sink": {name: value for name, value in given.items() if value},
        "created_ns": now_ns,
        "created_by": actor.name,
        "sent": 0,
        "problem": "",
    }
    with database.writing() as connection:
        names = list(connection.execute(select(integrations.c.name)).scalars())
        if sink.name in names:
            raise NameTaken(sink.name)
        if len(names) >= INTEGRATIONS:
            raise BadIntegration(f"there are {INTEGRATIONS} already; accepted: one less")
        newest = connection.execute(select(func.max(hits.c.id))).scalar() or 0
        made = connection.execute(insert(integrations).returning(integrations.c.id), [row | {"after_hit": newest}])
        number = int(made.scalar_one())
        record(connection, actor, "integration.create", sink.name, {"type": sink.type, "to": addressee(sink)}, now_ns)
    return number


def remove_integration(database: Database, number: int, actor: Actor, now_ns: int) -> bool:
    """Send nothing there any more; return whether there was one."""
    gone = delete(integrations).where(integrations.c.id == number).returning(integrations.c.name)
    with database.writing() as connection:
        name = connection.execute(gone).scalar()
        if name is not None:
            record(connection, actor, "integration.remove", name, {}, now_ns)
    return name is not None


def list_integrations(database: Database) -> list[Row[Any]]:
    """Return every integration by name. Their ``sink`` holds secrets: see `sink_of` and `addressee`."""
    with database.reading() as connection:
        return list(connection.execute(select(integrations).order_by(integrations.c.name)).all())


def sink_of(row: Row[Any]) -> Sink:
    return checked(row.sink)


def addressee(sink: Sink) -> str:
    """Return where *sink* is as far as it may be shown: the address of a chat's webhook is all that it asks for."""
    parts = urlsplit(sink.url)
    return f"{parts.scheme}://{parts.hostname or ''}" if sink.url else sink.target


def waiting_hits(connection: Connection, sink: Sink, after: int, limit: int) -> tuple[int, list[Hit]]:
    """Return the number of the last of up to *limit* stored hits after *after*, and what of them *sink* asks for."""
    columns = (hits.c.id.label("number"), hits.c.type, *(column for column in reports.c if column.name != "node_id"))
    following = select(*columns).join(reports, reports.c.id == hits.c.report_id).where(hits.c.id > after)
    rows = connection.execute(following.order_by(hits.c.id).limit(limit)).all()
    selection = selection_of(sink)
    found = [hit for row in rows for hit in selection.hits(_report(row)) if hit.finding.type == row.type]
    return (rows[-1].number if rows else after), found


def _report(row: Row[Any]) -> Report:
    names = [name for name in Report.__slots__ if name not in ("findings", "anomalies")]
    findings = tuple(_finding(each) for each in row.findings)
    return Report(**{name: getattr(row, name) for name in names}, findings=findings, anomalies=tuple(row.anomalies))


def _finding(given: dict[str, Any]) -> Finding:
    return Finding(**{**{name: given[name] for name in Finding.__slots__ if name in given}, "point": tuple(given["point"])})


def claim(database: Database, owner: str, now_ns: int) -> bool:
    """Return whether *owner* sends now: of several processes over one store one does, and another where it is silent."""
    with database.reading() as connection:
        holder, until_ns = _holder(connection)
    if holder == owner and until_ns - now_ns > LEASE_NS // 2:
        return True
    with database.writing() as connection:
        holder, until_ns = _holder(connection)
        if holder not in ("", owner) and until_ns > now_ns:
            return False
        keep_fact(connection, _CLAIM, f"{owner} {now_ns + LEASE_NS}".encode())
    return True


def give_up(database: Database, owner: str) -> None:
    """Leave sending to others, if it was *owner* who did."""
    with database.writing() as connection:
        if _holder(connection)[0] == owner:
            keep_fact(connection, _CLAIM, b"")


def _holder(connection: Connection) -> tuple[str, int]:
    owner, _, until = fact(connection, _CLAIM).decode().partition(" ")
    return owner, int(until or 0)


def note_sent(database: Database, number: int, after: int, sent: int) -> None:
    """Remember that an integration has what was stored up to hit *after*, *sent* of them more than before."""
    change = update(integrations).where(integrations.c.id == number)
    with database.writing() as connection:
        connection.execute(change.values(after_hit=after, sent=integrations.c.sent + sent, problem=""))


def note_problem(database: Database, number: int, problem: str) -> None:
    with database.writing() as connection:
        change = update(integrations).where(integrations.c.id == number, integrations.c.problem != problem[:_PROBLEM_CHARS])
        connection.execute(change.values(problem=problem[:_PROBLEM_CHARS]))


def example_hits() -> Sequence[Hit]:
    """Return what a trial sends: a hit that says of itself that it is none."""
    finding = Finding("sqli", ("get", "id"), "a trial of this integration", "trial", 1.0, severity="low")
    client, server = "192.0.2.1", "192.0.2.2:80"
    about = ("", "HTTP/1.1", "GET", "trial.example", "/", None, 0, 0, -1)
    report = Report("0" * 32, 0, None, f"{client}:1", server, client, *about, (), (finding,))
    return (Hit(report, 0),)


def shown(row: Row[Any]) -> dict[str, Any]:
    """Return what may be shown of an integration: no address beyond its host, no credential."""
    sink = sink_of(row)
    plain = asdict(sink)
    told = {name: plain[name] for name in ("type", "target", "format", "types", "hosts", "confidence")}
    return told | {"id": row.id, "name": row.name, "to": addressee(sink), "sent": row.sent, "problem": row.problem}
