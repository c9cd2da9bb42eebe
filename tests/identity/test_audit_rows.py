"""The trail cannot be rewritten, not even by us."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from watchbill.identity import ENGINE, audit


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"])
async def test_an_audit_row_can_be_neither_changed_nor_removed(db, clock, statement):
    async with db.begin() as tx:
        await audit.record(tx, ENGINE, "site.created", "site", 1, now=await clock.now(tx))
    with pytest.raises(ProgrammingError, match="append-only"):
        async with db.begin() as tx:
            await tx.execute(text(statement))
