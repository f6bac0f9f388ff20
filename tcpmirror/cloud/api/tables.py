"""The short lists of sources, rules and settings as files: what their pages show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from tcpmirror.cloud.api import integrations, judgement, masks, people, rules, sources
from tcpmirror.cloud.api.access import NEEDS_ROLE, Shared, only
from tcpmirror.cloud.api.asking import asked_of
from tcpmirror.cloud.api.files import Rows, csv_file, json_file
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.short_lists import (
    BUILT_IN,
    IGNORED,
    INTEGRATIONS,
    MASKS,
    PACKS,
    PEOPLE,
    SOURCES,
    TOKENS,
    Asked,
    ShortList,
)
from tcpmirror.detect.pack import load_pack

_Answers = dict[int | str, dict[str, Any]]
_Found = Callable[[Service, Asked], Iterable[BaseModel]]
_CSV: Final[_Answers] = {200: {"content": {"text/csv": {}}}}

router = APIRouter(prefix="/api/v1", responses=NEEDS_ROLE)


def _rows(found: Iterable[BaseModel]) -> Rows:
    return (one.model_dump() for one in found)


def _array_of(row: type[BaseModel]) -> _Answers:
    return {200: {"model": list[row]}}  # type: ignore[valid-type]


def _add(path: str, tag: str, role: Role, row: type[BaseModel], short_list: ShortList, found: _Found) -> None:
    """Give what *found* returns, of the model *row*, under *path* as CSV and as JSON to those of *role* and above."""
    columns, what, asking = tuple(row.model_fields), path.replace("-", " "), asked_of(short_list)

    def as_csv(service: Shared, asked: Asked = asking) -> StreamingResponse:  # type: ignore[assignment]
        return csv_file(path, columns, _rows(found(service, asked)))

    def as_json(service: Shared, asked: Asked = asking) -> StreamingResponse:  # type: ignore[assignment]
        return json_file(path, columns, _rows(found(service, asked)))

    for ending, give, told, answers in (
        ("csv", as_csv, f"Give the {what} as CSV (RFC 4180).", _CSV),
        ("json", as_json, f"Give the {what} as one JSON array.", _array_of(row)),
    ):
        router.add_api_route(
            f"/{path}.{ending}",
            give,
            name=f"{path}_as_{ending}",
            description=told,
            tags=[tag],
            dependencies=[only(role)],
            response_class=StreamingResponse,
            responses=answers,
        )


class RuleRow(BaseModel):
    """A built-in rule."""

    id: Annotated[str, Field(examples=["sqli-union-select"])]
    type: Annotated[str, Field(examples=["sqli"])]
    title: Annotated[str, Field(examples=["UNION SELECT"])]
    severity: Annotated[str, Field(examples=["high"])]
    confidence: Annotated[float, Field(examples=[0.9])]
    cwe: Annotated[list[int], Field(examples=[[89]])]
    capec: Annotated[list[int], Field(examples=[[66]])]
    references: Annotated[list[str], Field(examples=[["https://owasp.org/www-community/attacks/SQL_Injection"]])]
    why: Annotated[str, Field(description="What it finds, for people.", examples=["A second query in place of a value."])]


def _built_in(service: Service, asked: Asked) -> Iterable[BaseModel]:
    names = RuleRow.model_fields
    rules = BUILT_IN.chosen(load_pack().rules, asked)
    return (RuleRow.model_validate({name: getattr(rule, name) for name in names}) for rule in rules)


_add("rules", "Rules", Role.READ, RuleRow, BUILT_IN, _built_in)
_add(
    "ignore-rules",
    "Rules",
    Role.READ,
    judgement.IgnoreShown,
    IGNORED,
    lambda service, asked: judgement.ignore_rules(service, asked).rules,
)
_add(
    "rule-packs",
    "Rules",
    Role.READ,
    rules.PackShown,
    PACKS,
    lambda service, asked: rules.rule_packs(service, asked).packs,
)
_add("masks", "Rules", Role.READ, masks.MaskShown, MASKS, lambda service, asked: masks.masks(service, asked).masks)
_add(
    "source-lists",
    "Sources",
    Role.READ,
    sources.SourceEntry,
    SOURCES,
    lambda service, asked: sources.source_lists(service, asked).entries,
)
_add(
    "accounts",
    "Access",
    Role.ADMIN,
    people.AccountShown,
    PEOPLE,
    lambda service, asked: people.accounts(service, asked).accounts,
)
_add("tokens", "Access", Role.ADMIN, people.TokenShown, TOKENS, lambda service, asked: people.tokens(service, asked).tokens)
_add(
    "integrations",
    "Integrations",
    Role.ADMIN,
    integrations.IntegrationShown,
    INTEGRATIONS,
    lambda service, asked: integrations.integrations(service, asked).integrations,
)
