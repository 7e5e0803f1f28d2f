"""Access tokens; only their digests are kept."""

from __future__ import annotations

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.identity import now
from st_ops.model.records import Token
from st_ops.store.database import Tx
from st_ops.store.schema import token


def put(tx: Tx, entry: Token) -> None:
    """Store a new token; one that is known already stays as it is."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    tx.execute(dialect.insert(token).on_conflict_do_nothing(), [entry.model_dump()])


def by_digest(tx: Tx, digest: str) -> Token | None:
    """The unexpired token with this SHA-256, or None."""
    living = or_(token.c.expires_at.is_(None), token.c.expires_at > now())
    row = tx.execute(select(token).where(token.c.digest == digest, living)).mappings().first()
    return None if row is None else Token.model_validate(dict(row))


def remove(tx: Tx, identifier: str) -> bool:
    """Revoke a token; False when there was none."""
    return tx.execute(delete(token).where(token.c.id == identifier)).rowcount > 0
