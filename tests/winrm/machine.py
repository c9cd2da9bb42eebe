"""A Windows machine in memory, as the scripts of onboarding find it and leave it: what `endpoint` asks in place of PowerShell.

Each script is known by the name in its first line and is played, not run: what PowerShell would make of its text nobody has seen here.
"""

import base64
import hashlib
import io
import json
import re
import time
import zipfile
from dataclasses import dataclass, field
from typing import Any

from tests.winrm.endpoint import Answer


@dataclass
class Windows:
    """The state of a machine. What a test sets before is what it finds; what an install changes it looks at afterwards."""

    name: str = "WIN-1"
    system: str = "Windows Server 2022 Standard"
    version: str = "10.0.20348.0"
    is_server: bool = True
    arch: str = "amd64"
    powershell: str = "5.1.20348.1366"
    is_administrator: bool = True
    free: int = 20 * 1024**3
    seconds_ahead: float = 0.0
    reaches: bool = True
    #: What the Engine gives to the machine when it asks for the package by itself.
    served: bytes | None = None
    #: What becomes of what is written.
    is_damaging: bool = False
    refuses_package: str | None = None
    refuses_service: str | None = None
    enroll_says: tuple[int, str] = (6, "It waits for approval.")
    #: Scripts that end with an error, by name.
    errors: dict[str, str] = field(default_factory=dict)
    #: Scripts that are never done.
    hangs: set[str] = field(default_factory=set)

    staging: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, bytes] = field(default_factory=dict)
    current: str | None = None
    is_service: bool = False
    is_running: bool = False
    branch: str | None = None
    state: str = "not enrolled"
    server: str | None = None
    device_id: str | None = None
    code: str | None = None

    ran: list[tuple[str, Any]] = field(default_factory=list)
    lines: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.ran]

    def __call__(self, line: str, stdin: bytes) -> Answer:
        """What comes of a command line and its standard input."""
        self.lines.add(line)
        if tuple(int(part) for part in self.powershell.split(".")[:2]) < (5, 1):
            return Answer(json.dumps({"powershell": self.powershell}).encode() + b"\r\n", b"", 3)
        script, given, *body = stdin.splitlines()
        found = re.match(r"# watchbill: (\w+)\n", base64.b64decode(script).decode())
        assert found is not None
        assert body.pop() == b"."
        name, told = found[1], json.loads(given)
        self.ran.append((name, told))
        if name in self.hangs:
            return Answer(command="sleep 60")
        if name in self.errors:
            return _said({"error": self.errors[name]}, 1)
        if name == "upload":
            return self._upload(told, body)
        return getattr(self, f"_{name}")(told)  # type: ignore[no-any-return]

    def _look(self, _: Any) -> Answer:
        status = {"state": self.state, "server": self.server, "device_id": self.device_id}
        service = {"kind": "windows", "installed": self.is_service, "running": self.is_running, "version": self.current}
        return _said(
            {
                "name": self.name,
                "system": self.system,
                "is_server": self.is_server,
                "version": self.version,
                "arch": self.arch,
                "powershell": self.powershell,
                "is_administrator": self.is_administrator,
                "free": self.free,
                "clock": time.time() + self.seconds_ahead,
                "agent": _ran(0, json.dumps(status)) if self.current else None,
                "service": _ran(0, json.dumps(service)) if self.current else None,
                "is_half": bool(self.staging),
            }
        )

    def _reach(self, told: Any) -> Answer:
        if self.reaches:
            return _said({"is_reached": True, "stage": "http", "detail": "", "shown": ""})
        detail = f"No connection could be made to {told['host']}:{told['port']}"
        return _said({"is_reached": False, "stage": "connect", "detail": detail, "shown": ""})

    def _fetch(self, told: Any) -> Answer:
        if self.served is None:
            return _said({"error": "The Engine answered HTTP/1.1 404 Not Found"}, 1)
        return self._write(told["name"], self.served)

    def _upload(self, told: Any, body: list[bytes]) -> Answer:
        return self._write(told["name"], b"".join(base64.b64decode(line) for line in body))

    def _write(self, name: str, data: bytes) -> Answer:
        if len(data) > self.free:
            return _said({"error": "There is not enough space on the disk."}, 1)
        self.staging[name] = data[:-1] if self.is_damaging else data
        return _said({"size": len(data)})

    def _hash(self, told: Any) -> Answer:
        data = self.staging[told["name"]]
        return _said({"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})

    def _unpack(self, told: Any) -> Answer:
        with zipfile.ZipFile(io.BytesIO(self.staging[told["name"]])) as archive:
            top = f"watchbill-agent-{told['version']}"
            self.staging["unpacked"] = archive.read(f"{top}/watchbill-agent.exe")
        if self.refuses_package is not None:
            return _said(_ran(1, self.refuses_package))
        return _said(_ran(0, ""))

    def _install(self, told: Any) -> Answer:
        before, version = self.current, told["version"]
        self.is_running = False
        if version in self.versions:
            self.staging["replaced"] = self.versions[version]
        self.versions[version] = self.staging.pop("unpacked")
        self.current = version
        return _said({"before": before})

    def _command(self, told: Any) -> Answer:
        assert self.current in self.versions
        words = told["words"]
        if words[0] == "enroll":
            code, text = self.enroll_says
            if code in (0, 6):
                self.state, self.server, self.code = "pending", words[words.index("--server") + 1], told["text"]
            return _said(_ran(code, text))
        assert words[:2] == ["service", "install"]
        if self.refuses_service is not None:
            return _said(_ran(1, self.refuses_service))
        self.is_service = self.is_running = True
        self.branch = words[words.index("--branch") + 1]
        return _said(_ran(0, ""))

    def _clean(self, told: Any) -> Answer:
        if told["version"]:
            if told["has_service"]:
                self.is_service = self.is_running = False
            self.versions.pop(told["version"], None)
            if "replaced" in self.staging:
                self.versions[told["version"]] = self.staging["replaced"]
            self.current = told["before"]
            self.is_service = self.is_running = bool(told["before"])
        self.staging.clear()
        return _said({"is_clean": True})


def _ran(code: int, text: str) -> dict[str, Any]:
    return {"code": code, "text": text}


def _said(value: Any, code: int = 0) -> Answer:
    return Answer(json.dumps(value).encode() + b"\r\n", b"", code)
