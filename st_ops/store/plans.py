"""How PostgreSQL plans what people look up. Engines ask the same few things again and again, and keep their plans."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, Boolean, ColumnElement, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from st_ops.store.database import Tx, once


def plan_anew(tx: Tx) -> None:
    """Until the transaction ends, PostgreSQL plans each statement for its values, and for one process. Idempotent.

    A plan for any value reads a frequent rule's executions and a rare one's in the same way, and one that is kept from
    when a table was small reads all of it when it is large; to start parallel workers takes longer than a page.
    """
    if tx.dialect.name == "postgresql":
        once(tx, "st_ops_planned_anew", _plan_anew)


def _plan_anew(tx: Tx) -> bool:
    tx.exec_driver_sql(
        "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL max_parallel_workers_per_gather = 0"
    )
    return True


class OneOf(FunctionElement[bool]):
    """The condition that a column has one of the texts that the statement is given as the list ``ids``.

    Other than ``in_`` it is one statement on PostgreSQL however many there are. Only after ``plan_anew``.
    """

    inherit_cache = True
    type = Boolean()
    name = "one_of"

    def __init__(self, column: ColumnElement[Any]) -> None:
        """``column`` holds texts."""
        super().__init__(column)

    def self_group(self, against: Any = None) -> OneOf:
        """Itself: SQLAlchemy would ask SQLite whether the condition ``= 1``, which no index answers."""
        return self


@compiles(OneOf, "sqlite")
def _sqlite_one_of(element: Any, compiler: Any, **kwargs: Any) -> str:
    (column,) = element.clauses
    return str(compiler.process(column.in_(bindparam("ids", expanding=True)), **kwargs))


@compiles(OneOf, "postgresql")
def _postgresql_one_of(element: Any, compiler: Any, **kwargs: Any) -> str:
    (column,) = element.clauses
    array = bindparam("ids", type_=ARRAY(Text()))
    return f"{compiler.process(column, **kwargs)} = ANY ({compiler.process(array, **kwargs)})"
