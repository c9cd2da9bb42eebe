"""How the Engine enters devices for playbooks: by a stored credential or the account that agents keep for it, through their tunnels."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import agents, credentials, vpn
from watchbill.apps.wiring import Engine
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.states import SkipReason
from watchbill.core.vpn_rules import ReadyState
from watchbill.credentials import OpenCredential
from watchbill.executors import Become, Login, Obstacle, Way
from watchbill.kit.errors import NotFoundError
from watchbill.runs import RunContent, playbooks

_WINRM: Final = frozenset((ExecutionContext.WINRM.value, ExecutionContext.WINRM_INDIVIDUAL.value))
_WINRM_PORT: Final = 5986
_SSH_PORT: Final = 22


@dataclass(frozen=True, slots=True)
class EngineAccess:
    """Implements `playbook_run.Access`."""

    engine: Engine

    async def logins(
        self, tx: AsyncConnection, content: RunContent, device_ids: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, Login | Obstacle]:
        """For each device a login, or why there is none."""
        if content.use_service_account:
            return await self._service_logins(tx, content, device_ids)
        if content.credential_id is None:
            return dict.fromkeys(device_ids, _MISSING)
        try:
            found = await credentials.open_for_use(tx, self.engine.keys, content.credential_id)
        except credentials.CredentialLockedError as error:
            return dict.fromkeys(device_ids, Obstacle(SkipReason.CREDENTIAL_LOCKED, str(error)))
        except NotFoundError:
            return dict.fromkeys(device_ids, _MISSING)
        login = _login(found)
        sites = await playbooks.sites_of(tx, device_ids)
        elsewhere = Obstacle(SkipReason.CREDENTIAL_MISMATCH, f"The credential “{found.name}” is for another site.")
        return {one: login if found.site_id in (None, sites.get(one)) else elsewhere for one in device_ids}

    async def _service_logins(
        self, tx: AsyncConnection, content: RunContent, device_ids: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, Login | Obstacle]:
        found = await agents.service_logins(tx, self.engine.keys, list(device_ids))
        port = _WINRM_PORT if content.execution_context in _WINRM else _SSH_PORT
        return {
            one: Login(
                found[one].username, port, found[one].password, found[one].private_key, validates_certificates=False
            )
            if one in found
            else _NO_ACCOUNT
            for one in device_ids
        }

    async def ways(
        self, tx: AsyncConnection, device_ids: Collection[uuid.UUID], now: datetime, *, until: datetime | None
    ) -> Mapping[uuid.UUID, Way]:
        """For each device its address in the VPN, or why there is none yet."""
        ids = sorted(device_ids)
        if until is not None:
            await vpn.prepare(tx, ids, until, now)
        found = await vpn.readiness(tx, ids, now)
        return {
            one: Way(
                each.address if each.state is ReadyState.READY else None,
                _sentence(each.detail),
                is_final=each.state is ReadyState.UNAVAILABLE,
            )
            for one, each in found.items()
        }


_MISSING: Final = Obstacle(SkipReason.CREDENTIAL_MISSING, "The credential of the job is not there any more.")
_NO_ACCOUNT: Final = Obstacle(
    SkipReason.CREDENTIAL_MISSING, "Its agent keeps no account for the Engine: make one for this device."
)


def _login(found: OpenCredential) -> Login:
    become = found.become
    return Login(
        username=found.login,
        port=found.port or found.default_port,
        password=found.password,
        private_key=found.private_key,
        passphrase=found.passphrase,
        become=Become(become.method, become.user, become.password) if become else None,
        transport=found.transport or "ntlm",
        is_tls=found.tls is not False,
        validates_certificates=found.validate_certificates,
        certificate=found.certificate,
    )


def _sentence(detail: str | None) -> str:
    return f"{detail[0].upper()}{detail[1:]}." if detail else ""
