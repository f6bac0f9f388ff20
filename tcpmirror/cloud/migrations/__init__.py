"""The history of the schema, applied by Alembic when the store is opened."""
