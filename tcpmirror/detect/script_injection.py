"""Does a value do something in a script? Decided on its tokens (see `script`).

A value that breaks out of a string goes on behind the quote as code: an operator, a separator or a closing bracket, then a
call, an assignment to the page, a member of a global object. A value printed bare is an attack when it is such a call and
little else. Words side by side are prose. A whole program, as editors and error reports send it, only commands.
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.detect.script import tokens

_LOOK: Final = 4096  # bytes of a value
_PROGRAM_BYTES: Final = 400  # what attacks print bare is shorter; longer code is somebody's program
# What acts: a sink called, named as another or handed on; a global object's member called or assigned; made-up names.
_ACTS: Final = (
    r"(?:k(?:\.p)?[(t]|k\?\.\(|k\)+[(t]|b=k|[bp]?\(k\)|Kk|Kgk|pt|KF?[(]|KF\(|Kb\(\)\.b=|o\(o?\[\]|\[\]\["
    r"|g\[|g(?:\.g)?\.[pk]|g\.g=|g=[sgqt]|g=[bp]\.|g\.b=|=g[.\[]|p=k|\.p(?:=|t)|[)\]]\.p[(.\[=]|p\.p\(|b\.p\([nsq]|s\.p\(|p\(\)\("
    r"|[sb\])]\[[sp]\]|[)\]s]\[[^\]]{1,40}\]\(|I\([sqt])"
)
# Before it stands code, and no two names side by side.
_CODE: Final = r"(?:(?![bgpkn][bgpknK])[^x-])*?"
_BREAKS: Final = re.compile(r"(?:[)\]}]*[;,oc=?:|{}(.\[]|[)\]}]+)" + _CODE + _ACTS)
_BARE: Final = re.compile(r"[;,oc=?:(){}\[\].n]*(?:[bsntr]?[;oc=,?:(\[.{}]|K|F\(|a)*?" + _ACTS)
_PROSE: Final = re.compile(r"[bn][bn]")
_TEMPLATE: Final = re.compile(rb"\$\{[^}]{0,200}[(`=]")


def breaks_out(value: bytes) -> bool:
    """Tell whether *value* ends a string of a script and goes on as code that acts."""
    value = value[:_LOOK]
    return any(_acts(_BREAKS, tokens(value, quote)) for quote in (39, 34, 96)) or _TEMPLATE.search(value) is not None


def is_call(value: bytes) -> bool:
    """Tell whether *value* is code that acts, and no more than that."""
    if len(value) > _PROGRAM_BYTES:
        return False
    bare = tokens(value)
    return bare is not None and re.match("I[^(]", bare) is None and _acts(_BARE, bare)


def acts(value: bytes) -> bool:
    """Tell whether *value* acts in a script, in whichever place it is printed."""
    return breaks_out(value) or is_call(value)


def skeleton(value: bytes) -> str:
    """Return what is judged, for people: the tokens from the start and from behind each quote."""
    contexts = (tokens(value[:_LOOK], quote) for quote in (0, 39, 34, 96))
    return " ".join(text for text in contexts if text)


def _acts(form: re.Pattern[str], text: str | None) -> bool:
    return text is not None and form.match(text) is not None
