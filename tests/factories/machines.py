"""A machine that enrols: its key, what it signs, what it sends."""

from dataclasses import dataclass, field
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchbill_wire import base64url, enrol_signing_bytes, sealing_key_signing_bytes, token_signing_bytes


@dataclass
class Machine:
    """Speaks the HTTP part of the wire protocol, as the agent does."""

    client: httpx.AsyncClient
    hostname: str = "web-1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> str:
        return base64url(self.key.public_key().public_bytes_raw())

    def request(self, code: str) -> dict[str, str]:
        return {
            "code": code,
            "hostname": self.hostname,
            "public_key": self.public_key,
            "os_family": "linux",
            "os_name": "Debian GNU/Linux",
            "os_version": "12",
            "arch": "x86_64",
            "agent_version": "0.1.0",
            "proof": base64url(self.key.sign(enrol_signing_bytes(code, self.hostname, self.public_key))),
        }

    async def enrol(self, code: str, **changes: str) -> httpx.Response:
        return await self.client.post("/api/agent/enrol", json=self.request(code) | changes)

    async def poll(self, enrolled: httpx.Response) -> httpx.Response:
        told = enrolled.json()
        path = f"/api/agent/enrol/{told['enrolment_id']}/poll"
        return await self.client.post(path, json={"poll_token": told["poll_token"]})

    async def challenge(self, device_id: str | UUID) -> str:
        reply = await self.client.post("/api/agent/challenge", json={"device_id": str(device_id)})
        challenge: str = reply.json()["challenge"]
        return challenge

    def sealing(self, device_id: str | UUID, challenge: str, key: bytes) -> dict[str, str]:
        """What tells a key that secrets are to be sealed to."""
        told = base64url(key)
        signed = self.key.sign(sealing_key_signing_bytes(str(device_id), challenge, told))
        return {"sealing_key": told, "sealing_signature": base64url(signed)}

    async def token(self, device_id: str | UUID, challenge: str | None = None, **more: str) -> httpx.Response:
        challenge = challenge or await self.challenge(device_id)
        signature = base64url(self.key.sign(token_signing_bytes(str(device_id), challenge)))
        proof = {"device_id": str(device_id), "challenge": challenge, "signature": signature}
        return await self.client.post("/api/agent/token", json=proof | more)
