"""Alembic migrations of the store; they run at every start."""
