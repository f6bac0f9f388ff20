"""What the page says of names that are not served is true: they are not, and what stands in their place is."""

from __future__ import annotations

import re

from tcpmirror.export.families import KNOWN, OWN
from tcpmirror.export.other_names import OTHER_NAMES


def test_no_name_is_served_and_every_replacement_is() -> None:
    served = {family.full_name("") for family in (*KNOWN, *OWN)}
    for names, told in OTHER_NAMES.items():
        assert not served.intersection(names.split(", ")), names
        replaced = re.findall(r"`([a-z_]{12,})[`{]", told)
        assert served.issuperset(replaced), (names, replaced)
