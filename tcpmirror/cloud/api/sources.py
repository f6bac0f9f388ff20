"""Sources: what is known of one, by which databases and lists, and the allow, deny and gray lists of people here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException
from fastapi import Path as UrlPath
from pydantic import BaseModel, Field

from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, only
from tcpmirror.cloud.api.asking import asked_of
from tcpmirror.cloud.api.fields import RowId, ns_of, optional_time_of, time_of
from tcpmirror.cloud.enrichment.entries import BadEntry, EntryWish, list_entries, read_lists
from tcpmirror.cloud.enrichment.marking import put_on_list, take_off_list
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.search.keys import number_of_address
from tcpmirror.cloud.short_lists import SOURCES, Asked

_BAD: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Problem, "description": "The entry cannot be."}}
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is no such entry."}}
ListName = Literal["allow", "deny", "gray"]


class SourceEntryWish(BaseModel):
    """What is to be on a list. A mirror cannot block: a list marks what comes from its sources."""

    list: Annotated[ListName, Field(examples=["deny"])]
    kind: Annotated[Literal["network", "country", "source"], Field(examples=["network"])] = "network"
    value: Annotated[
        str,
        Field(
            max_length=100,
            description="An address, a network or a range; a country's two letters; a kind of source.",
            examples=["198.51.100.0/24"],
        ),
    ]
    reason: Annotated[str, Field(max_length=500, examples=["scans every night"])] = ""
    expires_time: Annotated[datetime | None, Field(description="Null: it stays.")] = None


class SourceEntry(BaseModel):
    id: Annotated[int, Field(examples=[4])]
    list: Annotated[str, Field(examples=["deny"])]
    kind: Annotated[str, Field(examples=["network"])]
    value: Annotated[str, Field(examples=["198.51.100.0/24"])]
    reason: str
    expires_time: datetime | None
    created_time: datetime
    created_by: Annotated[str, Field(examples=["maria"])]


class SourceEntries(BaseModel):
    entries: list[SourceEntry]


class NewEntry(BaseModel):
    id: Annotated[int, Field(examples=[4])]


class SourceAbout(BaseModel):
    """What the databases and lists say of an address now."""

    address: Annotated[str, Field(examples=["198.51.100.7"])]
    country: Annotated[str, Field(examples=["NL"])]
    network: Annotated[int, Field(examples=[64500])]
    network_name: Annotated[str, Field(examples=["Example Networks"])]
    kinds: Annotated[list[str], Field(examples=[["datacenter"]])]
    list: Annotated[str, Field(description='The list of ours it is on; "": none.', examples=["deny"])]


class SourceShelf(BaseModel):
    """A database or reputation list that sources are looked up in."""

    name: Annotated[str, Field(description="`database`, or the kind of what is on the list.", examples=["tor"])]
    origin: Annotated[str, Field(examples=["/etc/tcpmirror/tor-exits.txt"])]
    about: Annotated[str, Field(examples=["1,240 ranges"])]
    problem: Annotated[str, Field(description="Why it is not there, or not newer.", examples=[""])]


class SourceShelves(BaseModel):
    shelves: list[SourceShelf]


router = APIRouter(prefix="/api/v1", tags=["Sources"], responses=NEEDS_ROLE)


@router.get("/source-lists", dependencies=[only(Role.READ)])
def source_lists(service: Shared, asked: Annotated[Asked, asked_of(SOURCES)]) -> SourceEntries:
    """List what is on the allow, deny and gray lists, the newest first unless `sort` says otherwise."""
    rows = SOURCES.chosen(list_entries(service.database, service.clock()), asked)
    return SourceEntries(
        entries=[
            SourceEntry(
                id=row.id,
                list=row.list,
                kind=row.kind,
                value=row.value,
                reason=row.reason,
                expires_time=optional_time_of(row.expires_ns),
                created_time=time_of(row.created_ns),
                created_by=row.created_by,
            )
            for row in rows
        ]
    )


@router.post("/source-lists", status_code=201, dependencies=[only(Role.ANALYST)], responses=_BAD)
def new_entry(wish: SourceEntryWish, service: Shared, caller: Calling) -> NewEntry:
    """Put a source on a list: what it sent and sends is marked. Nothing is blocked."""
    entry = EntryWish(wish.list, wish.kind, wish.value, wish.reason, ns_of(wish.expires_time))
    try:
        made = put_on_list(service.database, service.book, entry, caller.actor, service.clock())
    except BadEntry as error:
        raise HTTPException(400, str(error)) from error
    return NewEntry(id=made)


@router.delete("/source-lists/{entry_id}", status_code=204, dependencies=[only(Role.ANALYST)], responses=_MISSING)
def end_entry(entry_id: RowId, service: Shared, caller: Calling) -> None:
    """Take an entry off its list."""
    if not take_off_list(service.database, service.book, entry_id, caller.actor, service.clock()):
        raise HTTPException(404, "There is no such entry.")


@router.get("/source-databases", dependencies=[only(Role.READ)])
def source_databases(service: Shared) -> SourceShelves:
    """List the databases and reputation lists that sources are looked up in."""
    shelves = [
        SourceShelf(name=one.name, origin=one.origin, about=one.about, problem=one.problem) for one in service.book.shelves()
    ]
    return SourceShelves(shelves=shelves)


@router.get("/sources/{address}", dependencies=[only(Role.READ)], responses=_BAD)
def about_source(address: Annotated[str, UrlPath(max_length=64, examples=["198.51.100.7"])], service: Shared) -> SourceAbout:
    """Tell what is known of an address, whether it was ever seen or not."""
    try:
        number = number_of_address(address)
    except ValueError as error:
        raise HTTPException(400, f"{address!r} is no address.") from error
    about = service.book.source(address)
    with service.database.reading() as connection:
        mark = read_lists(connection).mark(number, about)
    return SourceAbout(
        address=address,
        country=about.country,
        network=about.network,
        network_name=about.network_name,
        kinds=list(about.kinds),
        list=mark,
    )
