import pytest

from tests.factories.scene import Scene
from tests.workflows.flow import Flow
from watchbill.kit.db import Database


@pytest.fixture
async def flow(db: Database, scene: Scene) -> Flow:
    return Flow(db, scene)
