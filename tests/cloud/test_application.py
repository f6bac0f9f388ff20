from __future__ import annotations

from sqlalchemy import text

from tests.cloud.running import READ, RunningCloud, report


def test_failing_store_is_answered_503_and_nothing_is_acknowledged(cloud: RunningCloud) -> None:
    with cloud.node() as node:
        with cloud.service.database.writing() as connection:
            connection.execute(text("alter table hits rename to hidden"))
        answer = node.post("/api/v1/batches", json={"batch_id": "a", "reports": [report(1)]})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        with cloud.service.database.writing() as connection:
            connection.execute(text("alter table hidden rename to hits"))
        taken = node.post("/api/v1/batches", json={"batch_id": "a", "reports": [report(1)]}).json()
        assert (taken["accepted"], taken["duplicate"]) == (1, False)
    with cloud.client(READ) as client:
        assert client.get("/api/v1/attacks").json()["attacks"][0]["hits"] == 1
