"""Alembic's entry: the connection is handed in by ``migrate.upgrade``; nothing is read from files."""

from alembic import context

from st_ops.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
