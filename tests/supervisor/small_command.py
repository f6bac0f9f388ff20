"""`tcpmirror-supervisor` over small mains: `MAINS` in the environment names those that are not to be `beats`, as JSON."""

import json
import os
import sys

from tcpmirror.supervisor.command import main
from tests.supervisor.mains import MAINS

wanted = json.loads(os.environ.get("MAINS", "{}"))
kinds = ("capture", "worker", "exporter", "cloud")
sys.exit(main(sys.argv[1:], {kind: MAINS[wanted.get(kind, "beats")] for kind in kinds}, rules=None))
