"""How long what was found is kept, and how large the store may be."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Shared, only
from tcpmirror.cloud.retention import DAY_NS, LONGEST_DAYS, change_retention, retention_in_force, used_bytes
from tcpmirror.cloud.roles import Role

_SIZES: Final = 2**53
_Days = Annotated[int, Field(ge=0, le=LONGEST_DAYS, description="0: no limit.", examples=[180])]
_Bytes = Annotated[int, Field(ge=0, le=_SIZES, description="0: no limit.", examples=[20_000_000_000])]


class RetentionShown(BaseModel):
    """What is older goes, and the oldest where the store is larger; ``used_bytes``: how large it is now."""

    days: _Days
    size_bytes: _Bytes
    used_bytes: Annotated[int, Field(examples=[1_200_000_000])]
    is_own: Annotated[bool, Field(description="It was set here; else the settings file or the command line says it.")]


class RetentionWish(BaseModel):
    """Null: as the settings file or the command line says."""

    days: _Days | None = None
    size_bytes: _Bytes | None = None


router = APIRouter(prefix="/api/v1", tags=["Access"], responses=NEEDS_ROLE)


@router.get("/retention", dependencies=[only(Role.READ)])
def retention(service: Shared) -> RetentionShown:
    """Tell how long what was found is kept."""
    kept, is_own = retention_in_force(service.database, service.retention)
    return RetentionShown(
        days=kept.age_ns // DAY_NS, size_bytes=kept.size_bytes, used_bytes=used_bytes(service.database), is_own=is_own
    )


@router.put("/retention", status_code=204, dependencies=[only(Role.ADMIN)])
def set_retention(wish: RetentionWish, service: Shared, caller: Calling) -> None:
    """Change how long what was found is kept; what is too much goes within the next minutes."""
    change_retention(service.database, wish.days, wish.size_bytes, caller.actor, service.clock())
