"""What files and commands look like that attacks ask for: what the payload has to name, and what the response then shows.

A proof needs both, and what is shown must not stand in the payload itself: pages that repeat what was sent prove nothing.
"""

from __future__ import annotations

import re
from typing import Final

_Pair = tuple[re.Pattern[bytes], re.Pattern[bytes]]


def _pairs(*rows: tuple[bytes, bytes]) -> tuple[_Pair, ...]:
    return tuple((re.compile(asked, re.IGNORECASE), re.compile(shown)) for asked, shown in rows)


_PASSWD: Final = (
    rb"(?<![\w.-])[a-z_][\w.-]{0,31}:[^:\r\n]{0,128}:\d{1,10}:\d{1,10}:[^:\r\n]{0,128}:/[^:\r\n]{0,128}:[^:\s<]{0,128}"
)
FILES: Final = _pairs(
    (rb"passwd", _PASSWD),
    (rb"shadow", rb"(?<![\w.-])[a-z_][\w.-]{0,31}:(?:\$\w{1,8}\$[^:\s]{8,256}|[!*]{1,2}):\d{3,6}:\d*:\d*:\d*:"),
    (rb"group\b", rb"(?<![\w.-])root:[^:\r\n]{0,32}:0:(?!0:)"),
    (rb"hosts\b", rb"\b127\.0\.0\.1[ \t]+localhost\b"),
    (rb"win\.ini", rb"(?i)\[(?:fonts|extensions|mci extensions)\]|for 16-bit app support"),
    (rb"boot\.ini", rb"(?i)\[boot loader\]"),
    (rb"environ\b", rb"\A[A-Z][A-Z0-9_]{1,40}=[^\0]{0,2000}\0|(?:^|\0)(?:PATH|HOME|HOSTNAME|PWD)=[^\0]{1,512}\0"),
    (rb"proc/(?:self|\d+)/(?:status|maps)", rb"(?m)^(?:Name:\t\S+\nUmask:|[0-9a-f]{8,16}-[0-9a-f]{8,16} r[w-][x-]p )"),
    (rb"proc/version", rb"Linux version \d+\.\d+"),
    (rb"web\.xml", rb"(?i)<web-app[\s>]"),
    (rb"web\.config", rb"(?i)<configuration>[\s\S]{0,400}<(?:system\.web|appSettings|connectionStrings)"),
    (rb"\.git/", rb"(?m)^\[core\]\s{1,8}repositoryformatversion|^ref: refs/heads/"),
    (rb"\.env\b", rb"(?m)^[A-Z][A-Z0-9_]{2,40}(?:KEY|SECRET|PASSWORD|TOKEN|_URL)=\S{3}"),
    (rb"id_[rd]sa|\.ssh/|\.pem\b|\.key\b", rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"),
    (rb"wp-config|\.php\b", rb"<\?php\s[\s\S]{0,400}(?:\$\w+\s*=|define\s*\(|function\s|require)|PD9waH[A-Za-z0-9+/]{20}"),
    (rb"convert\.base64-encode|php://filter", rb"(?:^|[^A-Za-z0-9+/])PD9waH[A-Za-z0-9+/]{20}"),
)
COMMANDS: Final = _pairs(
    (rb"\bid\b", rb"\buid=\d+\([^)\r\n]{1,64}\) gid=\d+\("),
    (rb"passwd", _PASSWD),
    (rb"\buname\b", rb"\bLinux \S{1,64} \d+\.\d+\.\d+\S{0,64} |\bDarwin Kernel Version \d"),
    (rb"\bls\b|\bdir\b", rb"(?m)^(?:total \d+\r?\n[bcdlps-][r-][w-]|[bcdlps-](?:[r-][w-][xsStT-]){3}[.+@]? +\d+ \w+ +\w+ )"),
    (rb"\bdir\b", rb"(?i)Volume in drive [A-Z] |Directory of [A-Z]:\\"),
    (rb"\bifconfig\b|\bip a", rb"\binet (?:addr:)?\d+\.\d+\.\d+\.\d+|link/ether "),
    (rb"\bipconfig\b", rb"Windows IP Configuration"),
    (rb"\bnetstat\b", rb"Active (?:Internet connections|Connections)"),
    (rb"\bping\b", rb"\d+ packets transmitted, \d+ (?:packets )?received|Ping statistics for "),
    (rb"\bps\b", rb"(?m)^\s*(?:UID\s+)?PID\s+(?:TTY|PPID)\b"),
    (rb"\benv\b|\bprintenv\b|\bset\b", rb"(?m)^PATH=/\S+[\s\S]{0,400}^(?:HOME|PWD|SHLVL|HOSTNAME)="),
    (rb"phpinfo", rb"<title>(?:PHP [\d.]{3,20} - )?phpinfo\(\)|PHP Version \d+\.\d+\.\d+"),
    (rb"\bver\b", rb"Microsoft Windows \[Version \d"),
    (rb"\bwhoami\b", rb"\A\s*(?:root|www-data|nginx|apache|nobody|nt authority\\\w+|\w{1,20}\\\w{1,20})\s*\Z"),
)
SERVICES: Final = _pairs(
    (rb"", rb"(?m)^(?:ami-id|instance-id|local-ipv4|security-credentials/)$[\s\S]{0,400}"
     rb"^(?:ami-|instance-|hostname|public-|iam/)"),
    (rb"", rb"\"AccessKeyId\"\s*:\s*\"A[A-Z0-9]{15,30}\"[\s\S]{0,400}\"SecretAccessKey\""),
    (rb"computeMetadata|metadata\.google",
     rb"(?m)\"(?:access_token|serviceAccounts|machineType)\"|^(?:attributes|disks|service-accounts)/$"),
    (rb"", rb"\"compute\"\s*:\s*\{[\s\S]{0,400}\"(?:azEnvironment|vmId)\""),
    (rb"", rb"(?m)^SSH-2\.0-[\w.-]{3}"),
    (rb"6379|redis|gopher|dict", rb"(?m)^-ERR (?:unknown|wrong number)|^redis_version:\d"),
    (rb"9200", rb"\"cluster_name\"\s*:[\s\S]{0,400}\"lucene_version\""),
)  # fmt: skip


def shown(pairs: tuple[_Pair, ...], payload: bytes, body: bytes) -> bytes:
    """Return what *body* shows of what *payload* asks for, or nothing."""
    for asked, pattern in pairs:
        if asked.search(payload):
            match = pattern.search(body)
            if match and match.group().strip() not in payload:
                return match.group()
    return b""


_ECHO: Final = re.compile(rb"\b(?:echo|print|printf|puts)\b[\s(]{1,4}(?:-[neE] )?[\"']?([A-Za-z0-9_]{6,64})")


def echoed(payload: bytes, body: bytes) -> bytes:
    """Return the word that *payload* has a command print, if *body* holds it by itself, not as part of the payload again."""
    for match in _ECHO.finditer(payload):
        word = match.group(1)
        before = payload[max(0, match.start(1) - 4) : match.start(1)]
        for at in _places(word, body):
            if not body[:at].endswith(before):
                return word
    return b""


_PRODUCT: Final = re.compile(
    rb"(?:\{\{|\$\{|#\{|<%=|\*\{|@\(|\{)\s{0,4}(\d{1,9})\s?\*\s?'?(\d{1,9})'?\s{0,4}(?:\}\}|\}|%>|\))"
)
_SURE_DIGITS: Final = 5


def calculated(payload: bytes, body: bytes) -> bytes:
    """Return the product that *payload* has a template engine calculate, where *body* shows it in the expression's place.

    Products of few digits stand in many pages, so what surrounds the expression in the payload has to surround them, too.
    """
    for match in _PRODUCT.finditer(payload):
        product = b"%d" % (int(match.group(1)) * int(match.group(2)))
        before, after = payload[max(0, match.start() - 8) : match.start()], payload[match.end() : match.end() + 8]
        if len(before) + len(after) < _SURE_DIGITS and len(product) < _SURE_DIGITS:
            continue
        if product not in payload and before + product + after in body:
            return before + product + after
    return b""


def _places(word: bytes, body: bytes) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(word), body)][:16]
