"""Pages of lists: ``limit`` and ``offset``, and the direction of the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query

from st_ops.api.answers import Json, listing
from st_ops.api.auth import Caller
from st_ops.errors import Forbidden, InvalidInput

#: Items in a page when the caller does not say, and the most that anyone but an administrator gets.
MAX_PAGE = 100
#: What "all" means to the store.
_ALL = 1_000_000

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """One page of a list. ``limit`` items from ``offset``; ``newest_first`` is None when nothing was said."""

    limit: int
    offset: int = 0
    newest_first: bool | None = None

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """This page of a whole list."""
        return items[self.offset : self.offset + self.limit]

    def answer(self, items: Sequence[Any], total: int) -> Json:
        """``items`` (already cut to this page) as an answer."""
        return listing(items, total, self.limit)


async def page_of(
    caller: Caller,
    limit: Annotated[
        int, Query(description="Most items to answer; -1 = all, for administrators.")
    ] = MAX_PAGE,
    offset: Annotated[int, Query(ge=0, description="Items to pass over.")] = 0,
    sort_asc: Annotated[bool, Query(description="Oldest first.")] = False,
    sort_desc: Annotated[bool, Query(description="Newest first.")] = False,
) -> Page:
    """The page a request asks for. Raises InvalidInput, and Forbidden where only an administrator may."""
    if sort_asc and sort_desc:
        raise InvalidInput("Give either sort_asc or sort_desc, not both.", where="sort_asc")
    direction = True if sort_desc else False if sort_asc else None
    if limit == -1:
        if not caller.admin:
            raise Forbidden("Only an administrator may ask for a whole list (limit=-1).")
        return Page(_ALL, offset, direction)
    if limit < 0:
        raise InvalidInput(f"'limit' is {limit}; it must be at least 0, or -1 for all.", where="limit")
    if limit > MAX_PAGE and not caller.admin:
        raise Forbidden(f"'limit' is {limit}; only an administrator may ask for more than {MAX_PAGE}.")
    return Page(limit, offset, direction)


#: A route's way to the page.
Paged = Annotated[Page, Depends(page_of)]
