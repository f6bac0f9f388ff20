"""Calls that the OpenAPI document allows, and calls that it does not: none may make the cloud fail."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.errors import SchemathesisError

from tcpmirror.cloud import deliveries
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.tokens import ensure_token
from tests.cloud.running import ADMIN, NOON, RunningCloud, report

_EXAMPLES = 3  # of each operation, right and wrong ones


@pytest.fixture(autouse=True)
def send_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Integrations that the calls make have made-up addresses."""
    monkeypatch.setattr(deliveries, "INTERVAL_S", 3_600.0)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_no_call_makes_the_cloud_fail(cloud: RunningCloud, mode: GenerationMode) -> None:
    with cloud.node() as node:
        sent = {"batch_id": "a", "reports": [report(number) for number in range(3)]}
        node.post("/api/v1/batches", json=sent).raise_for_status()
        credential = node.headers["authorization"]
    document = schemathesis.openapi.from_url(cloud.url + "/api/openapi.json")
    tried = 0
    for found in document.get_all_operations():
        ensure_token(cloud.service.database, ADMIN, "test", Role.ADMIN, NOON)  # it may have been revoked by a call
        tried += _tried(found.ok(), mode, credential)
    assert tried > 20


def _tried(operation: schemathesis.APIOperation, mode: GenerationMode, node: str) -> bool:
    """Call *operation* a few times; return False where nothing can be made in this *mode*."""
    of_node = operation.path.endswith(("/nodes/rules", "/batches", "/heartbeat", "/digests"))
    headers = {"Authorization": node if of_node else f"Bearer {ADMIN}"}

    @settings(
        max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, checks=[not_a_server_error])

    try:
        call()
    except (Unsatisfiable, SchemathesisError):
        assert mode is GenerationMode.NEGATIVE, operation.label  # nothing wrong can be said to it
        return False
    return True
