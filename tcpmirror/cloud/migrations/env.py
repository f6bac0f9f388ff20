"""Run by Alembic: applies the steps on the connection that `cloud.database` hands over, in one transaction."""

from alembic import context

from tcpmirror.cloud.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
