"""The OpenAPI document as the console's client is generated from it. `python -m tests.api.document` writes it; a test says when
that is due. Needs no database."""

import json
from pathlib import Path
from typing import Any

from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import load

FILE = Path(__file__).parents[2] / "web" / "src" / "api" / "generated" / "openapi.json"


def document() -> dict[str, Any]:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    dull = load({"WATCHBILL_DATA_DIR": "/nonexistent"})
    return create_app(Deps(nowhere, Clock(), KeyRing("none", {}), dull)).openapi()


def text() -> str:
    return json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
