"""What columns are made of. Columns of type `TrafficText` hold what strangers sent."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Integer, MetaData, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

NUL_SIGN: Final = "\u2400"


class TrafficText(TypeDecorator[str]):
    """Text from traffic; U+0000, which PostgreSQL cannot store in text, is kept as U+2400 (the sign that pictures it).

    Compared byte by byte, as SQLite does; PostgreSQL would else follow the language that its database was made for.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", NUL_SIGN) if value is not None else None


class Packed(TypeDecorator[Any]):
    """Lists and maps as JSON text, which every database stores alike."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str:
        return orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return orjson.loads(value) if value is not None else None


# SQLite makes a row id of INTEGER PRIMARY KEY only, PostgreSQL wants 64 bits.
Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()
