"""One attack: what it adds up to, its hits, and the exchange of one of them with the payload marked where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Row

from tcpmirror.cloud.attacks import (
    AttackDetail,
    BadCursor,
    Facet,
    Page,
    attack_detail,
    hit_detail,
    hits_at,
    list_hits,
    neighbours,
)
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.marking import known_sources
from tcpmirror.cloud.exchange_curl import curl_command
from tcpmirror.cloud.search.kinds import OWASP, owasp_of
from tcpmirror.cloud.search.writing import term
from tcpmirror.cloud.sessions.intake import key_of
from tcpmirror.cloud.sessions.reading import session_of_request
from tcpmirror.console import judgement
from tcpmirror.console.frame import Visit
from tcpmirror.console.highlight import locate
from tcpmirror.console.judgement import Judged, JudgementPanel
from tcpmirror.console.parts import LocalTime, Text, block, link
from tcpmirror.console.rule_book import attack_pattern_address, rule_of, weakness_address
from tcpmirror.console.text import counted, shortened, source_text, status_family, type_family, type_name, visible
from tcpmirror.detect.pack import Rule
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.finding import COMMAND, INJECTION, SEVERITIES

HITS: Final = 20
_NEAR: Final = 12
GRADES: Final = {
    INJECTION: "injection: it breaks out of the data that it stands in",
    COMMAND: "command: it is code as a whole, which people also send on purpose",
}
_MARKED: Final = 8  # payloads of a hit that are looked for in its message
_LINE_ENDS: Final = "\n\t"


@dataclass(frozen=True, slots=True)
class Message:
    """One message ready to be shown: pieces of visible text, each with whether it is (part of) a payload."""

    pieces: tuple[tuple[str, bool], ...]
    kept_bytes: int
    kept_body_bytes: int
    unmarked: tuple[str, ...]  # payloads that stand there only in encoded form, or not at all


@dataclass(frozen=True, slots=True)
class Opened:
    """All that the page shows, read in one go. ``hit`` None: the attack has none of that id any more."""

    attack: AttackDetail
    hits: Page
    hit: Row[Any] | None
    request: Message | None
    response: Message | None
    judged: Judged
    rule: Rule | None = None
    curl: str = ""
    near: tuple[Row[Any], ...] = ()
    session: str = ""  # key of the one it is of; empty: none is known, and ``near`` is of the same source and user agent
    known: Mapping[str, Row[Any]] = field(default_factory=dict)  # of the sources, by address


def read(visited: Visit, attack_id: int, hit_id: int | None, cursor: str | None) -> Opened | None:
    """Return what to show of attack *attack_id*, with its newest hit or hit *hit_id*; None if there is none."""
    database = visited.service.database
    attack = attack_detail(database, attack_id)
    if attack is None:
        return None
    try:
        hits = list_hits(database, attack_id, HITS, cursor)
    except BadCursor:
        hits = list_hits(database, attack_id, HITS)
    judged = judgement.read(visited, attack.row)
    wanted = hit_id if hit_id is not None else hits.rows[0].id if hits.rows else None
    hit = hit_detail(database, wanted) if wanted is not None else None
    sources = (*(facet.value for facet in attack.sources), *(row.real_ip for row in hits.rows))
    if hit is None or hit.attack_id != attack_id:
        return Opened(attack, hits, None, None, None, judged, known=known_sources(database, sources))
    payloads = hit.payloads[:_MARKED]
    in_response = tuple(hit.point)[:1] in (("response_status",), ("response_header",), ("response_body",))
    request = message(hit.request, tuple(hit.point), () if in_response else payloads)
    response = message(hit.response, tuple(hit.point), payloads if in_response else ())
    return Opened(
        attack,
        hits,
        hit,
        request,
        response,
        judged,
        rule_of(database, hit.rule),
        curl_command(hit.server, hit.request),
        *_near(database, hit),
        known_sources(database, (*sources, hit.real_ip)),
    )


def message(raw: bytes, point: tuple[str, ...], payloads: tuple[str, ...] | list[str]) -> Message:
    """Return *raw* as text in pieces, the *payloads* found at *point* marked."""
    marks: list[tuple[int, int]] = []
    unmarked = []
    for payload in payloads:
        found = locate(raw, point, payload)
        marks += found.spans
        if found.decoded:
            unmarked.append(payload)
    pieces = []
    at = 0
    for start, end in _joined(marks):
        pieces += [(_shown(raw[at:start]), False), (_shown(raw[start:end]), True)]
        at = end
    pieces.append((_shown(raw[at:]), False))
    return Message(
        tuple(piece for piece in pieces if piece[0]), len(raw), len(raw.partition(b"\r\n\r\n")[2]), tuple(unmarked)
    )


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _shown(raw: bytes) -> str:
    return visible(raw.decode("latin-1").replace("\r\n", "\n"), keep=_LINE_ENDS)


def show(visited: Visit, opened: Opened) -> None:
    """Build the page's elements."""
    attack = opened.attack.row
    with block("nav", "tm-crumbs").props('aria-label="Way back"'):
        link("Attacks", "/attacks")
        Text("span", f"#{attack.id}")
    with block("div", "tm-title"):
        Text("span", attack.type, f"tm-badge tm-{type_family(attack.type)}")
        Text("h1", type_name(attack.type))
        if attack.evidence_hits:
            link("incident: it worked", "/incidents", "tm-proof")
    with block("p", "tm-subtitle"):
        if attack.method:
            Text("b", shortened(attack.method, 16))
        _found_by(term("domain", attack.host), shortened(attack.host, 200), "tm-host")
        _found_by(term("url", attack.path), shortened(attack.path, 400), "tm-mono")
    _figures(opened.attack)
    with block("div", "tm-columns"):
        with block("aside", "tm-side"):
            _hit_list(opened)
            JudgementPanel(visited, opened.judged)
            _facets("Top sources", opened.attack.sources, "ip", opened.known)
            _facets("Top payloads", opened.attack.payloads, "payload", {})
        with block("div", "tm-exchange"):
            if opened.hit is None or opened.request is None or opened.response is None:
                Text("p", "This hit is no longer stored.", "tm-quiet")
            else:
                _exchange(opened, opened.hit, opened.request, opened.response)


def _figures(detail: AttackDetail) -> None:
    attack = detail.row
    with block("dl", "tm-figures"):
        for name, number in (("Hits", attack.hits), ("Sources", attack.sources), ("Payloads", attack.payloads)):
            _figure(name, f"{number:,}")
        with block("div"):
            Text("dt", "First seen")
            with block("dd"):
                LocalTime(attack.first_ns)
        with block("div"):
            Text("dt", "Last seen")
            with block("dd"):
                LocalTime(attack.last_ns)
        with block("div"):
            Text("dt", "Responses")
            with block("dd", "tm-codes"):
                for facet in detail.statuses:
                    status = int(facet.value) if facet.value.isdecimal() else None
                    Text("span", facet.value or "none", f"tm-code tm-{status_family(status)}").tooltip(
                        counted(facet.hits, "hit")
                    )


def _figure(name: str, value: str) -> None:
    with block("div"):
        Text("dt", name)
        Text("dd", value)


def _hit_list(opened: Opened) -> None:
    attack_id = opened.attack.row.id
    with block("section", "tm-panel"):
        Text("h2", "Hits")
        with block("ul", "tm-hit-list"):
            for row in opened.hits.rows:
                current = opened.hit is not None and row.id == opened.hit.id
                with block("li"), link("", f"/attacks/{attack_id}?hit={row.id}", "tm-here" if current else "") as entry:
                    if current:
                        entry.props('aria-current="true"')
                    with block("span", "tm-hit-line"):
                        LocalTime(row.time_ns)
                        Text("span", _status_text(row.status), f"tm-code tm-{status_family(row.status)}")
                    Text("span", shortened(row.real_ip, 60), "tm-mono tm-small")
        if opened.attack.row.counted:
            told = f"{counted(opened.attack.row.counted, 'more hit')} like these: counted, not kept."
            Text("p", told, "tm-quiet tm-small")
        if opened.hits.next_cursor:
            link("Older hits", f"/attacks/{attack_id}?cursor={opened.hits.next_cursor}", "tm-button")


def _facets(name: str, facets: tuple[Facet, ...], key: str, known: Mapping[str, Row[Any]]) -> None:
    if len(facets) < 2:
        return
    most = facets[0].hits
    with block("section", "tm-panel"):
        Text("h2", name)
        with block("ul", "tm-facets"):
            for facet in facets:
                with block("li"):
                    with block("span", "tm-facet-line"):
                        _found_by(term(key, facet.value), shortened(facet.value, 120) or "—", "tm-mono tm-facet-value")
                        Text("span", f"{facet.hits:,}", "tm-facet-hits")
                    if facet.value in known:
                        _about_source(known[facet.value])
                    block("span", "tm-facet-bar").style(f"width: {100 * facet.hits / most:.1f}%")


def _exchange(opened: Opened, hit: Row[Any], request: Message, response: Message) -> None:
    with block("section", "tm-panel"):
        Text("h2", "What was found")
        with block("dl", "tm-facts"):
            _payload_facts(hit, request.unmarked + response.unmarked)
            with block("div"):
                Text("dt", "Point")
                with block("dd", "tm-point"):
                    for part in hit.point:
                        Text("span", shortened(part, 120))
            _fact("Rule", hit.rule)
            _fact("Confidence", f"{hit.confidence:.0%}")
            _fact("Severity", SEVERITIES[hit.severity - 1] if hit.severity else "")
            _fact("Grade", GRADES.get(hit.grade, ""))
            _fact("Weakness", ", ".join(f"CWE-{number}" for number in ATTACK_TYPES.get(hit.type, (0, "", ()))[2]))
            _fact("Evidence", getattr(opened.attack.row, "evidence", ""))
            _source_fact(hit, opened.known.get(hit.real_ip))
            _fact("Connection", f"{hit.client} → {hit.server}" + (f", {hit.encapsulation}" if hit.encapsulation else ""))
            _fact("Anomalies", ", ".join(name.replace("_", " ") for name in hit.anomalies))
            _fact("Request id", hit.report_id)
    if opened.rule is not None:
        _rule(opened.rule)
    _also_found(hit)
    _take_away(hit, opened.curl)
    _message_panel("Request", request, hit.request_bytes, "")
    duration = f"after {hit.duration_ns / 1e6:,.1f} ms" if hit.duration_ns is not None else ""
    if hit.status is None and not response.kept_bytes:
        with block("section", "tm-panel"):
            Text("h2", "Response")
            Text("p", "No response was seen.", "tm-quiet")
    else:
        _message_panel("Response", response, hit.response_bytes, duration, hit.status)
    _neighbours(hit, opened.near, opened.session)


def _payload_facts(hit: Row[Any], unmarked: tuple[str, ...]) -> None:
    with block("div", "tm-wide"):
        # What has no place in a message was found over many of them.
        Text("dt", "Why" if not hit.point else "Payload" if len(hit.payloads) < 2 else "Payloads")
        with block("dd"):
            for payload in hit.payloads[:_MARKED]:
                Text("code", visible(payload, keep=_LINE_ENDS) or "—", "tm-payload-full")
            if len(hit.payloads) > _MARKED:
                Text("p", f"and {counted(len(hit.payloads) - _MARKED, 'more payload')}", "tm-quiet tm-small")
            if unmarked and hit.point:
                Text(
                    "p",
                    "Shown decoded: in the message it stands in encoded form, or past the part that was kept.",
                    "tm-quiet tm-small",
                )


def _fact(name: str, value: str) -> None:
    if not value:
        return
    with block("div"):
        Text("dt", name)
        Text("dd", visible(value)[:600], "tm-mono")


def _source_fact(hit: Row[Any], known: Row[Any] | None) -> None:
    with block("div"):
        Text("dt", "Source")
        with block("dd", "tm-mono"):
            _found_by(term("ip", hit.real_ip), visible(hit.real_ip)[:600], "")
            if known is not None:
                _about_source(known)
                if not known.mark:
                    link("Put on a list", f"/sources?{urlencode({'value': hit.real_ip})}", "tm-small tm-beside")


def _about_source(known: Row[Any]) -> None:
    """Say what is known of a source, and which list it is on."""
    told = source_text(known)
    if not told and not known.mark:
        return
    with block("div", "tm-quiet tm-small"):
        Text("span", told)
        if known.mark:
            link(known.mark, f"/attacks?q=list%3A{known.mark}", f"tm-list-mark tm-mark-{known.mark}")


def _found_by(search: str, text: str, classes: str) -> None:
    """Show a value as a link to all attacks that have it; as text where no search can find it."""
    if search:
        link(text, f"/attacks?{urlencode({'q': search})}", classes)
    else:
        Text("span", text, classes)


def _rule(rule: Rule) -> None:
    with block("section", "tm-panel"):
        with block("div", "tm-panel-head"):
            Text("h2", "Why this is an attack")
            Text("span", f"{rule.severity} severity", "tm-quiet tm-small")
        with block("p"):
            link(rule.title, f"/rules/{rule.id}")
        Text("p", rule.why, "tm-quiet")
        with block("p", "tm-references"):
            for number in rule.cwe:
                _reference(f"CWE-{number}", weakness_address(number))
            for number in rule.capec:
                _reference(f"CAPEC-{number}", attack_pattern_address(number))
            for code in owasp_of(rule.type):
                link(_owasp_text(code), f"/attacks?q={code}", "tm-chip").props(f'title="{OWASP[code][0]}"')
            for address in rule.references:
                _reference(urlsplit(address).hostname or address, address)


def _reference(text: str, address: str) -> None:
    link(text, address, "tm-chip").props('target="_blank" rel="noreferrer noopener"')


def _take_away(hit: Row[Any], curl: str) -> None:
    with block("section", "tm-panel"):
        with block("div", "tm-panel-head"):
            Text("h2", "Take away")
            capture = link("Capture for Wireshark", f"/api/v1/hits/{hit.id}/exchange.pcap", "tm-chip")
            capture.props("download")
        if curl:
            with block("details", "tm-details"):
                Text("summary", "The request as a command for curl")
                Text("p", "It sends the attack again. Run it against systems of your own only.", "tm-quiet tm-small")
                Text("pre", curl, "tm-pre tm-curl").props('tabindex="0" aria-label="Command for curl"')


def _near(database: Database, hit: Row[Any]) -> tuple[tuple[Row[Any], ...], str]:
    """Return hits around *hit* and the key of its session: of that session, or else of the same source and user agent."""
    session = session_of_request(database, hit.real_ip, hit.time_ns)
    if session is None:
        return tuple(neighbours(database, hit, _NEAR)), ""
    moments = {(event.time_ns, event.source) for event in session.attack_events}
    return tuple(hits_at(database, moments, hit, _NEAR)), key_of(session.id, session.day)


def _neighbours(hit: Row[Any], near: tuple[Row[Any], ...], session: str) -> None:
    if not near and not session:
        return
    with block("section", "tm-panel"):
        with block("div", "tm-hit-line"):
            Text("h2", "In the same session" if session else "Around it, from the same source and user agent")
            if session:
                link("Time line of the session", f"/sessions/{session}", "tm-chip")
        if not near:
            Text("p", "No other hit of it is stored.", "tm-quiet")
        with block("ul", "tm-hit-list"):
            for row in near:
                with block("li"), link("", f"/attacks/{row.attack_id}?hit={row.id}"):
                    with block("span", "tm-hit-line"):
                        Text("span", type_name(row.type), f"tm-badge tm-{type_family(row.type)}")
                        Text("span", _apart(row.time_ns - hit.time_ns), "tm-quiet tm-small tm-apart")
                        Text("span", _status_text(row.status), f"tm-code tm-{status_family(row.status)}")
                    Text("span", f"{shortened(row.method or '', 16)} {shortened(row.uri or '', 160)}", "tm-mono tm-small")


def _owasp_text(code: str) -> str:
    """Return `owasp_a03_2021` as OWASP writes it: A03:2021."""
    _, place, year = code.split("_")
    return f"OWASP {place.upper()}:{year}"


def _apart(time_ns: int) -> str:
    if not time_ns:
        return "in this request"
    seconds = abs(time_ns) / 1e9
    length = f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
    return f"{length} {'later' if time_ns > 0 else 'before'}"


def _also_found(hit: Row[Any]) -> None:
    others = [finding for finding in hit.findings if finding["type"] != hit.type]
    if not others:
        return
    with block("section", "tm-panel"):
        Text("h2", "Also in this request")
        with block("ul", "tm-also"):
            for finding in others[:20]:
                with block("li"):
                    kind = finding["type"]
                    Text("span", type_name(kind), f"tm-badge tm-{type_family(kind)}")
                    Text("code", shortened(finding["payload"], 120))


def _message_panel(name: str, shown: Message, sent_bytes: int, remark: str, status: int | None = None) -> None:
    with block("section", "tm-panel"):
        with block("div", "tm-panel-head"):
            Text("h2", name)
            if name == "Response":
                Text("span", _status_text(status), f"tm-code tm-{status_family(status)}")
            remarks = [remark, f"body {sent_bytes:,} bytes", "cut" if _is_cut(shown, sent_bytes) else ""]
            Text("span", " · ".join(part for part in remarks if part), "tm-quiet tm-small")
        with block("pre", "tm-message").props(f'tabindex="0" aria-label="{name} as received"'):
            for text, marked in shown.pieces:
                Text("mark" if marked else "span", text)
            if not shown.pieces:
                Text("span", "nothing was kept", "tm-quiet")


def _is_cut(shown: Message, sent_bytes: int) -> bool:
    return shown.kept_body_bytes < sent_bytes


def _status_text(status: int | None) -> str:
    return "none" if status is None else str(status)
