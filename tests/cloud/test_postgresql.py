from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, insert, inspect, select, text

from bench.postgresql import PostgreSQL
from tcpmirror.cloud.attacks import list_attacks
from tcpmirror.cloud.database import open_database, shown
from tcpmirror.cloud.ingest import store_batch
from tcpmirror.cloud.schema import hits, tokens
from tcpmirror.cloud.search.tree import All
from tcpmirror.errors import EnvironmentFault
from tests.cloud.running import NOON, READ, RunningCloud, report
from tests.cloud.test_ingest import batch


@pytest.fixture
def mortal() -> Iterator[PostgreSQL]:
    """Yield a server that the test may kill: the other tests have one of their own."""
    with PostgreSQL() as server:
        yield server


def stored_hits(cloud: RunningCloud) -> int:
    with cloud.service.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(hits)).scalar_one())


UNUSABLE = {
    "no such server": ("postgresql://u:pa55word@127.0.0.1:1/db", "127.0.0.1"),
    "no database": ("postgresql://u:pa55word@127.0.0.1", "names no database"),
    "no port": ("postgresql://u:pa55word@127.0.0.1:x/db", "not the address of a database"),
    "unknown option": ("postgresql://u:pa55word@127.0.0.1/db?colour=red", "colour"),
}


@pytest.mark.parametrize(("address", "said"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_address_is_named_without_its_password(address: str, said: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"cloud\.database") as raised:
        open_database(address)
    assert said in str(raised.value) and "pa55word" not in str(raised.value)


def test_address_is_shown_without_its_password() -> None:
    assert shown("postgresql://u:pa55word@db.example:5433/cloud") == "postgresql://u:***@db.example:5433/cloud"
    assert shown(Path("/var/cloud.db")) == "/var/cloud.db"


def test_empty_database_is_filled_by_many_at_once(postgresql: PostgreSQL) -> None:
    address = postgresql.empty_database()
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_database(address), range(4)))
    assert "attacks" in inspect(opened[0].engine).get_table_names()
    for database in opened:
        database.close()


def test_text_sorts_by_its_bytes_whatever_language_the_database_speaks(postgresql: PostgreSQL) -> None:
    database = open_database(postgresql.new_database())
    with database.writing() as connection:
        rows = [{"name": name, "role": "read", "sha256": name.encode(), "created_ns": 1} for name in ("a", "B", "ä", "-c")]
        connection.execute(insert(tokens), rows)
    with database.reading() as connection:
        assert connection.execute(text("select 'a' < 'B'")).scalar_one() is True
        assert list(connection.execute(select(tokens.c.name).order_by(tokens.c.name)).scalars()) == ["-c", "B", "a", "ä"]
    database.close()


def test_writers_of_two_processes_begin_an_attack_once(postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    opened = [open_database(address) for _ in range(2)]

    def send(number: int) -> None:
        store_batch(opened[number % 2], f"n{number % 2}", batch(str(number), report(number)), NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(40)))
    (attack,) = list_attacks(opened[0], All(), 10).rows
    assert attack.hits == 40
    for database in opened:
        database.close()


def test_lost_server_is_answered_503_and_nothing_acknowledged_is_missing_when_it_is_back(
    mortal: PostgreSQL, tmp_path: Path
) -> None:
    with RunningCloud(tmp_path, mortal.new_database()) as cloud, cloud.node() as node, cloud.client(READ) as reader:
        assert node.post("/api/v1/batches", json={"batch_id": "a", "reports": [report(1)]}).status_code == 200
        mortal.stop(signal.SIGQUIT)
        refused = [
            node.post("/api/v1/batches", json={"batch_id": "b", "reports": [report(2)]}),
            node.post("/api/v1/nodes/heartbeat", json={"stats": {}}),
            reader.get("/api/v1/attacks"),
        ]
        assert [(answer.status_code, answer.headers["retry-after"]) for answer in refused] == [(503, "5")] * 3
        mortal.start()
        assert reader.get("/api/v1/attacks").json()["attacks"][0]["hits"] == 1
        taken = node.post("/api/v1/batches", json={"batch_id": "b", "reports": [report(2)]}).json()
        again = node.post("/api/v1/batches", json={"batch_id": "a", "reports": [report(1)]}).json()
        assert (taken["duplicate"], again["duplicate"], stored_hits(cloud)) == (False, True, 2)
