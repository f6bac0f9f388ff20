"""Where decode and detect meet: a detector that sees requests through the decodings."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tcpmirror.decode.client_address import ClientAddress
from tcpmirror.decode.normal import Normalizer
from tcpmirror.decode.points import Decoded, request_points
from tcpmirror.decode.scope import ScopeRules
from tcpmirror.decode.text import fold
from tcpmirror.detect.compiled import INSTALLED, RefusedPattern, check_rules
from tcpmirror.detect.detector import Detector
from tcpmirror.detect.ignoring import EXPERIMENTAL, Ignoring, Requester
from tcpmirror.detect.pack import Pack, load_pack
from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.settings.tree import Ignore, Limits, Settings

UNUSED_S: Final = 30 * 86400.0


class DecodedViews:
    """The views of a request that the detector asks for."""

    def __init__(self) -> None:
        normalizer = Normalizer()
        self.normal_form = normalizer.normal_form
        self.learn_clean = normalizer.learn

    def request_points(self, request: Request, limits: Limits) -> Decoded:
        return request_points(request, limits)

    def fold(self, value: bytes) -> bytes:
        return fold(value)


def rule_folders(settings: Settings) -> list[Path]:
    """Return the folders of own rule packs: the operator's, and that of fetched ones."""
    folders = [Path(settings.inspection.rules_dir)] if settings.inspection.rules_dir else []
    fetched = fetched_packs(settings)
    return [*folders, fetched] if fetched.is_dir() else folders


def fetched_packs(settings: Settings) -> Path:
    """Where packs are kept that came from elsewhere than the operator's own folder."""
    return Path(settings.supervisor.state_dir) / "packs"


def build_detector(settings: Settings, cache_dir: Path | None = None) -> Detector:
    """Return a detector with the built-in rules and those of ``inspection.rules_dir``.

    *cache_dir* keeps compiled rules from one start to the next. SettingsError: a rule that cannot be used.
    """
    return detector_of(load_pack(*rule_folders(settings)), settings, cache_dir)


def detector_of(pack: Pack, settings: Settings, cache_dir: Path | None, seclang: str | None = None) -> Detector:
    """Return a detector with the rules of *pack*; SettingsError: a pattern that cannot be compiled.

    *seclang*: SecLang rules as text; None: those of the settings' directory.
    """
    try:
        detector = Detector(pack, settings.limits, DecodedViews(), cache_dir)
    except RefusedPattern:
        check_rules(sorted(pack.rules, key=lambda rule: not rule.own))  # the built-in ones were tried before they came here
        raise
    ignores = (*settings.inspection.ignore, *pack.ignores, *_tried_out(pack))
    if ignores:
        detector.ignoring = Ignoring(ignores, _who(settings))
    if seclang or (seclang is None and settings.inspection.seclang.directory):
        from tcpmirror.processes.seclang import seclang_engine  # lark is loaded where it is needed only

        detector.others = (seclang_engine(settings.inspection.seclang, detector.shows, cache_dir, seclang).inspect,)
    if pack.specifications and settings.inspection.api_specification:
        from tcpmirror.processes.enforcing import enforcing  # jsonschema-rs is loaded where it is needed only

        detector.others = (*detector.others, enforcing(pack.specifications, settings))
    return detector


def _tried_out(pack: Pack) -> tuple[Ignore, ...]:
    """Return what holds back, and counts, what experimental rules find."""
    rules = tuple(rule.id for rule in pack.rules if rule.experimental)
    return (Ignore(EXPERIMENTAL, rules=rules),) if rules else ()


def _who(settings: Settings) -> Callable[[Exchange], Requester]:
    addresses, scope = ClientAddress(settings.inspection.proxy_headers), ScopeRules(settings.inspection)

    def who(exchange: Exchange) -> Requester:
        host, address = addresses.host(exchange) or "", addresses.real_ip(exchange)
        given = scope.default if exchange.request is None else scope.of(exchange.request, host, address)
        return Requester(host, address, given.application)

    return who


def compile_rules() -> Path:
    """Compile the built-in rules for this machine's processor into the installation; return where they are kept.

    What earlier versions of the rules left there is removed.
    """
    wanted = build_detector(Settings(), INSTALLED).cache_names
    for file in compiled_files(INSTALLED):
        if file.name not in wanted:
            file.unlink(missing_ok=True)
    return INSTALLED


def compiled_files(directory: Path) -> list[Path]:
    """Return what was compiled from rules into *directory*."""
    return sorted(file for file in directory.glob("*") if file.suffix in (".hs", ".plan"))


def remove_unused(cache_dir: Path) -> None:
    """Remove from *cache_dir* what no start has used for a month: rules change, and each version leaves some megabytes."""
    oldest = time.time() - UNUSED_S
    for file in compiled_files(cache_dir):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < oldest:
                file.unlink()
