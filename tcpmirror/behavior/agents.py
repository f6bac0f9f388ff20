"""What a user agent says of who sends it: a tool, a program that watches, or a browser of some age."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

NEVER: Final = 2**63 - 1
_DAY_NS: Final = 86_400 * 10**9
_OLD_NS: Final = 730 * _DAY_NS  # a browser that old is outdated; what is still maintained for long is younger

# Libraries, command lines, headless browsers and scanners: what somebody sends who wrote a program.
_TOOLS: Final = re.compile(
    r"(?i)^(?:$|-$|mozilla/[45]\.0$)|^(?:python|aiohttp|httpx|curl|wget|go-http|java/|apache-http|libwww|lwp|perl|ruby|php|guzzle|"
    r"node|axios|got |undici|scrapy|rest-?client|postman|insomnia|httpie|powershell|winhttp|faraday|typhoeus|mechanize|"
    r"colly|reqwest|hyper/|jakarta)|headless|phantomjs|selenium|puppeteer|playwright|httrack|nikto|sqlmap|"
    r"nmap|masscan|zgrab|nuclei|gobuster|dirbuster|feroxbuster|ffuf|wfuzz|acunetix|nessus|openvas|burp|arachni|w3af|wpscan|"
    r"whatweb|jorgee|zaproxy|hydra"
)
# Those who watch whether a service is there say so, and ask for little.
_WATCHERS: Final = re.compile(
    r"(?i)kube-probe|healthcheck|health-check|googlehc|prometheus|uptime|pingdom|statuscake|site24x7|zabbix|nagios|check_http|"
    r"datadog|newrelic|blackbox|consul|haproxy|envoy/hc|monitor"
)
# (name, expression of the major version, a version and when it came out in days since 1970, days from one to the next)
_BROWSERS: Final = (
    (re.compile(r"Firefox/(\d{1,3})"), 100, 19_115, 29.0),
    (re.compile(r"(?:Chrome|CriOS)/(\d{1,3})"), 100, 19_080, 31.0),
    (re.compile(r"Version/(\d{1,2})[\d.]* (?:Mobile/\S+ )?Safari"), 15, 18_890, 365.0),
)
_ANCIENT: Final = re.compile(r"MSIE |Trident/|Opera/|Netscape|Mozilla/[1-4]\.")


class Agent(NamedTuple):
    """``is_tool``: no person sits there; ``outdated_ns``: from when on the browser is outdated, NEVER: it is none."""

    is_tool: bool
    outdated_ns: int


def agent_of(text: str) -> Agent:
    """Return what *text*, a user agent, says."""
    if _WATCHERS.search(text):
        return Agent(False, NEVER)
    if _TOOLS.search(text):
        return Agent(True, NEVER)
    if _ANCIENT.search(text):
        return Agent(False, 0)
    for pattern, version, day, days in _BROWSERS:
        found = pattern.search(text)
        if found is not None:
            return Agent(False, max(0, round(day + (_major(found) - version) * days) * _DAY_NS + _OLD_NS))
    return Agent(False, NEVER)


def _major(found: re.Match[str]) -> int:
    """Return the version; Safari went from 18 to 26 when it was named after a year."""
    version = int(found.group(1))
    return version - 7 if "Safari" in found.group(0) and version >= 26 else version
