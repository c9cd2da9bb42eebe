"""How the Engine signs in for a playbook: what of a stored credential reaches the executor, and why a device has none."""

from dataclasses import replace
from typing import Any

import pytest

from tests.apps.conftest import EngineAt
from tests.credentials.conftest import SECRET, winrm
from tests.factories import places
from tests.factories.private_keys import PRIVATE, certificate, ed25519_key, written
from tests.factories.scene import Scene
from watchbill import credentials
from watchbill.apps.playbook_access import EngineAccess
from watchbill.apps.wiring import Engine
from watchbill.core.states import SkipReason
from watchbill.executors import Login, Obstacle
from watchbill.kit.secrets import KeyRing
from watchbill.runs import RunContent

BECOME = {"method": "runas", "user": "Administrator", "password": "an0ther"}


@pytest.fixture
def engine(engine_at: EngineAt) -> Engine:
    return engine_at()


async def _found(engine: Engine, scene: Scene, definition: dict[str, Any] | None) -> Login | Obstacle:
    """For a device of the scene, with a credential that is stored."""
    async with engine.db.begin() as tx:
        device = await scene.device(tx, "web-1")
        made = None
        if definition is not None:
            made = await credentials.create(tx, scene.admin, definition, keys=scene.keys, now=scene.now)
        number = made.id if made else 2**40
        content = RunContent(1, 1, "winrm", (), 60, scene.now, None, credential_id=number)
        return (await EngineAccess(engine).logins(tx, content, [device]))[device]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, ("Administrator", 5986, "ntlm", True, True)),
        ({"tls": False}, ("Administrator", 5985, "ntlm", False, True)),
        ({"validate_certificates": False}, ("Administrator", 5986, "ntlm", True, False)),
        ({"domain": "CORP", "transport": "credssp"}, ("CORP\\Administrator", 5986, "credssp", True, True)),
        ({"domain": "CORP", "transport": "kerberos"}, ("Administrator@CORP", 5986, "kerberos", True, True)),
        ({"port": 15986, "transport": "basic"}, ("Administrator", 15986, "basic", True, True)),
    ],
)
async def test_a_credential_says_how_windows_is_entered(
    engine: Engine, scene: Scene, changes: dict[str, Any], wanted: tuple[object, ...]
) -> None:
    found = await _found(engine, scene, winrm(**changes, become=BECOME))
    assert isinstance(found, Login)
    said = found.username, found.port, found.transport, found.is_tls
    assert said == wanted[:4]
    assert found.validates_certificates is wanted[4] or not found.is_tls
    assert found.password is not None
    assert found.password.reveal() == SECRET
    assert found.become is not None
    assert found.become.password is not None
    assert (found.become.method, found.become.user, found.become.password.reveal()) == tuple(BECOME.values())


async def test_a_certificate_comes_with_its_key(engine: Engine, scene: Scene) -> None:
    key = ed25519_key()
    pem = certificate(key, scene.now)
    secret = written(key, None, PRIVATE.PKCS8)
    asked = {"name": "Certificate", "kind": "winrm", "transport": "certificate"}
    found = await _found(engine, scene, {**asked, "certificate": pem, "private_key": secret})
    assert isinstance(found, Login)
    assert (found.username, found.password, found.transport) == ("", None, "certificate")
    assert found.certificate is not None
    assert found.certificate.strip() == pem.strip()
    assert found.private_key is not None
    assert found.private_key.reveal().strip() == secret.strip()


async def test_a_credential_that_is_gone_elsewhere_or_locked_lets_nobody_in(engine: Engine, scene: Scene) -> None:
    async with engine.db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
    found = [
        await _found(engine, scene, None),
        await _found(engine, scene, winrm(site_id=elsewhere)),
        await _found(replace(engine, keys=KeyRing("k9", {"k9": bytes(32)})), scene, winrm(name="Locked")),
    ]
    reasons = [one.reason for one in found if isinstance(one, Obstacle)]
    assert reasons == [
        SkipReason.CREDENTIAL_MISSING,
        SkipReason.CREDENTIAL_MISMATCH,
        SkipReason.CREDENTIAL_LOCKED,
    ]
