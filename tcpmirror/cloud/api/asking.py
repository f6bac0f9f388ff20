"""What calls for short lists may ask: words that rows hold, and an order."""

from typing import Annotated

from fastapi import Depends, HTTPException, Query, params

from tcpmirror.cloud.short_lists import TEXT_LIMIT, Asked, ShortList


def asked_of(short_list: ShortList) -> params.Depends:
    """Return a dependency: what is asked of *short_list*, from `text` and `sort`; 422 for an order it has not."""
    usual, *_ = orders = tuple(short_list.orders)
    words = Query(max_length=TEXT_LIMIT, description="Rows with each of these words, in any case.", examples=["maria"])
    order = Query(json_schema_extra={"enum": list(orders)}, description="The order of the rows.", examples=[usual])

    def asked(text: Annotated[str, words] = "", sort: Annotated[str, order] = usual) -> Asked:
        if sort not in orders:
            raise HTTPException(422, f"sort: {sort[:40]!r} is none; accepted: {', '.join(orders)}")
        return Asked(text, sort)

    made: params.Depends = Depends(asked)
    return made
