"""Bring a store to the present schema. Runs at every start, on one node at a time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from st_ops.errors import UserError
from st_ops.store.database import Database

#: Any number; the same one on every node, so that only one migrates a PostgreSQL store at a time.
_ADVISORY_LOCK = 5_707_963


def config() -> Config:
    """Alembic's configuration: only where the migrations lie."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.set_main_option("path_separator", "os")
    return made


def upgrade(database: Database) -> None:
    """Apply what is missing. Raises UserError when the store is newer than this program."""
    alembic = config()
    script = ScriptDirectory.from_config(alembic)
    with database.write() as tx:
        if database.dialect == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        present = MigrationContext.configure(tx).get_current_revision()
        if present == script.get_current_head():
            return
        if present is not None and present not in {entry.revision for entry in script.walk_revisions()}:
            raise UserError(
                f"The store is at revision {present}, which this version of st_ops does not know; "
                "it was written by a newer one. Upgrade st_ops, or name another store."
            )
        alembic.attributes["connection"] = tx
        command.upgrade(alembic, "head")
