"""The tables as declared in Python are the tables that the migrations make."""

import pytest
from sqlalchemy import Table, text

from watchbill.agents import tables as agent_tables
from watchbill.devices import tables as device_tables
from watchbill.identity import tables as identity_tables
from watchbill.sites import tables as site_tables

TABLES = [
    table
    for module in (identity_tables, site_tables, device_tables, agent_tables)
    for table in vars(module).values()
    if isinstance(table, Table)
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_columns_and_nullability_are_as_migrated(db, table):
    query = text(
        "SELECT column_name, is_nullable = 'YES' AS nullable FROM information_schema.columns WHERE table_name = :t"
    )
    async with db.begin() as tx:
        there = {row.column_name: row.nullable for row in await tx.execute(query, {"t": table.name})}
    assert there == {column.name: column.nullable for column in table.columns}
