"""What a file says -> the settings tree, and what no single key shows: sections that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from tcpmirror.settings.goreplay import Arguments, Place, goreplay_sources
from tcpmirror.settings.kinds import split_listen
from tcpmirror.settings.memory import least_memory, worker_count
from tcpmirror.settings.reading import Assigned, Reading
from tcpmirror.settings.tree import MIB, ProxyHeaders, Settings, Source

SOURCE_KINDS: Final = ("interface", "vxlan_socket", "geneve_socket", "file")
LOOPBACK_HOSTS: Final = ("127.", "::1", "localhost")


def assemble(assigned: list[Assigned], reading: Reading) -> Settings:
    """Return the tree with everything that *assigned* says; contradictions go to *reading*."""
    said = _one_of_each(_of_this_mode(assigned, reading), reading)
    settings = Settings()
    for target, one in said.items():
        if not target.startswith(":"):
            settings = with_value(settings, target.split("."), one.value)
    settings = _with_sources(settings, said, reading)
    settings = _with_real_ip(settings, said, reading)
    if "cloud.url" in said and "cloud.embedded" not in said:
        settings = replace(settings, cloud=replace(settings.cloud, embedded=not settings.cloud.url))
    check(settings, {one.path: one.line for one in said.values()}, reading)
    return settings


def with_value(node: Any, path: list[str], value: Any) -> Any:
    """Return the frozen *node* with the field at *path* changed."""
    name, *rest = path
    return replace(node, **{name: with_value(getattr(node, name), rest, value) if rest else value})


def _of_this_mode(assigned: list[Assigned], reading: Reading) -> list[Assigned]:
    """Drop the capture section that the mode does not speak of, when both are there."""
    sections = {one.path.partition(".")[0]: one for one in reversed(assigned)}
    if "goreplay" not in sections or "tcp_stream" not in sections:
        return assigned
    mode = next((one.value for one in assigned if one.target == "mode"), "")
    used, unused = ("tcp_stream", "goreplay") if mode == "tcp-capture-v2" else ("goreplay", "tcp_stream")
    reading.warn(sections[unused].line, unused, f"not used: in mode {mode} `{used}` says where frames come from")
    return [one for one in assigned if not one.path.startswith(f"{unused}.")]


# Of two keys that say the same, the one in the earlier of these sections counts.
_PRIORITY: Final = ("tcp_reassembler", "workers", "goreplay", "middleware", "http_inspector")


def _one_of_each(assigned: list[Assigned], reading: Reading) -> dict[str, Assigned]:
    said: dict[str, Assigned] = {}
    for one in assigned:
        other = said.get(one.target)
        if other is None:
            said[one.target] = one
            continue
        used, unused = sorted((one, other), key=lambda each: _PRIORITY.index(each.path.partition(".")[0]))
        said[one.target] = used
        if used.value != unused.value:
            reading.warn(unused.line, unused.path, f"not used: `{used.path}` in line {used.line} says the same thing")
    return said


def _with_sources(settings: Settings, said: dict[str, Assigned], reading: Reading) -> Settings:
    if any(target.startswith(":sources.") for target in said):
        found = [said[f":sources.{kind}"].value for kind in SOURCE_KINDS if f":sources.{kind}" in said]
        sources: tuple[Source, ...] = tuple(source for group in found for source in group if source is not None)
    elif settings.mode == "tcp-capture-v2" and not any(target.startswith(":goreplay.") for target in said):
        sources = ()
    else:
        sources = _goreplay(said, reading)
    if not sources and not reading.problems:
        accepted = "`enabled: true` in `tcp_stream.from_interface`, `from_vxlan`, `from_geneve` or `from_file`"
        line = next((one.line for target, one in said.items() if target.startswith(":sources.")), 1)
        reading.problem(line, "tcp_stream", None, accepted, "no source is enabled")
    _warn_of_overlap(sources, reading)
    return replace(settings, capture=replace(settings.capture, sources=sources))


def _goreplay(said: dict[str, Assigned], reading: Reading) -> tuple[Source, ...]:
    arguments_said = said.get(":goreplay.extra_args")
    filter_said = said.get(":goreplay.filter")
    arguments = Arguments(arguments_said.value if arguments_said else (), "goreplay.extra_args", reading)
    filter_text = filter_said.value if filter_said and filter_said.value else ":"  # unset: all interfaces
    line = filter_said.line if filter_said else arguments_said.line if arguments_said else 0
    if filter_said is None and arguments.last("input-raw-engine", "") == "pcap_file":
        inputs = arguments.values.get("input-raw", [])
        if inputs:  # the file that is named is the input; a file called `:` is not
            filter_text, place = inputs.pop(0)
            line = place.line
    return goreplay_sources(filter_text, Place("goreplay.filter", line), arguments, reading)


def _warn_of_overlap(sources: tuple[Source, ...], reading: Reading) -> None:
    names = [source.interface for source in sources if source.kind == "interface" and not source.fanout]
    if len(set(names)) < len(names) or ("any" in names and len(names) > 1):
        text = f"the sources {', '.join(names)} overlap: frames that two of them take are read twice"
        reading.warn(0, "(sources)", text)


def _with_real_ip(settings: Settings, said: dict[str, Assigned], reading: Reading) -> Settings:
    header = said.get(":real_ip_header")
    if header is None or not header.value:
        return settings
    if settings.inspection.proxy_headers:
        reading.warn(header.line, header.path, "not used: `proxy_headers` says where the client's address stands")
        return settings
    rule = ProxyHeaders(real_ip=(header.value,))
    return replace(settings, inspection=replace(settings.inspection, proxy_headers=(rule,)))


def check(settings: Settings, lines: dict[str, int], reading: Reading) -> None:
    """Note what contradicts in values that are each right by themselves."""
    for path, value, accepted, text in _contradictions(settings):
        reading.problem(lines.get(path, 0), path, value, accepted, text)
    for index, rule in enumerate(settings.inspection.proxy_headers):
        if rule.trusted_networks == ():
            line = reading.lines.get(f"proxy_headers[{index}]", 0)
            reading.warn(
                line,
                f"proxy_headers[{index}]",
                "an empty `trusted_networks` trusts no peer; leave it out to trust every one",
            )


def _contradictions(settings: Settings) -> Iterator[tuple[str, object, str, str]]:
    cloud, shedding, spool = settings.cloud, settings.shedding, settings.spool
    if shedding.low_water >= shedding.high_water:
        accepted = f"less than `shedding.high_water` ({shedding.high_water})"
        yield "shedding.low_water", shedding.low_water, accepted, f"{shedding.low_water} leaves no room below the high water"
    shard = settings.shard
    if shard.index >= shard.count:
        yield "shard.index", shard.index, f"less than `shard.count` ({shard.count})", "no flow would be taken"
    if spool.segment_bytes * 2 > spool.quota_bytes:
        yield (
            "spool.segment",
            spool.segment_bytes,
            "at most half of `spool.quota`",
            "dropping one segment would drop the spool",
        )
    if cloud.embedded and cloud.url:
        yield "cloud.embedded", True, "`embedded: false`, or no `url`", "findings cannot go to both"
    if cloud.queue.url and not cloud.queue.url.startswith(("nats://", "tls://")):
        yield "cloud.queue.url", cloud.queue.url, "nats://HOST:PORT or tls://HOST:PORT", "no other queue is spoken"
    if cloud.queue.url and cloud.embedded:
        yield (
            "cloud.queue.url",
            cloud.queue.url,
            "a queue beside a `cloud.url`",
            "an embedded cloud takes nothing off a queue",
        )
    if not cloud.embedded and not cloud.url:
        yield "cloud.url", "", "the URL of a cloud, or `embedded: true`", "findings have nowhere to go"
    if not cloud.embedded and cloud.url and not cloud.token:
        yield "cloud.token", "", "an API token of the role Deploy", f"{cloud.url} takes nothing without a token"
    names = [sink.name for sink in settings.sinks]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield "sinks", name, "a name of its own for each sink", f"{name!r} is the name of several"
    yield from _unprotected(settings)
    workers = worker_count(settings)
    least = least_memory(settings, workers)
    if 0 < settings.limits.memory_bytes < least:
        accepted = f"0, or at least {-(-least // MIB)}MiB"
        text = f"out of range: {workers} workers and {len(settings.capture.sources)} sources do not work with less"
        yield "limits.memory", settings.limits.memory_bytes, accepted, text
    limits = settings.limits
    largest = limits.head_bytes + limits.export_request_bytes + limits.export_response_bytes
    if limits.report_ring_bytes < 2 * largest:
        accepted = "twice `head`, `export_request` and `export_response` together"
        yield "limits.report_ring", limits.report_ring_bytes, accepted, "the ring is too small for one large report"
    yield from _listen_clashes(settings)


def _unprotected(settings: Settings) -> Iterator[tuple[str, object, str, str]]:
    cloud = settings.cloud
    is_local = split_listen(cloud.listen_address)[0].startswith(LOOPBACK_HOSTS)
    if cloud.embedded and not is_local and not cloud.tls_certificate and not cloud.allow_plaintext:
        accepted = "an address of loopback, or `tls_certificate`, or `allow_plaintext: true` (behind a proxy that has TLS)"
        text = "passwords and findings would cross the network in the clear"
        yield "cloud.listen_address", cloud.listen_address, accepted, text
    if cloud.tls_key and not cloud.tls_certificate:
        yield "cloud.tls_key", cloud.tls_key, "a `tls_certificate` beside it", "a key alone is no TLS"


def _listen_clashes(settings: Settings) -> Iterator[tuple[str, object, str, str]]:
    metrics = settings.metrics
    listening = [
        ("metrics.listen_address", metrics.listen_address, metrics.enabled),
        ("metrics.legacy_status.listen_address", metrics.legacy_status_address, metrics.legacy_status_enabled),
        ("health_check.listen_address", settings.health.listen_address, settings.health.enabled),
        ("cloud.listen_address", settings.cloud.listen_address, settings.cloud.embedded),
    ]
    taken: list[tuple[str, str, int]] = []
    for path, address, is_used in listening:
        if not is_used:
            continue
        host, port = split_listen(address)
        for other, other_host, other_port in taken:
            if port == other_port and (host == other_host or {host, other_host} & {"", "0.0.0.0", "::"}):
                yield path, address, "an address of its own", f"{address!r} is taken by `{other}`"
        taken.append((path, host, port))
