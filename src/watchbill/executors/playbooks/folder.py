"""The folder of one run of a playbook: its files, its inventory, its keys; readable by nobody else, and wiped when it has ended.

Whatever is secret lies nowhere but here, in memory where the system has a file system for that, and never in an argument.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from watchbill.executors.base import Given, Login

_PREFIX: Final = "wb-"
_HOME: Final = Path("home", "ansible")
#: Where the connection `winrm` notes the shells that are open.
SHELLS: Final = _HOME / "shells"


class _Unsafe(str):
    """A text that Ansible takes as it is: never as a template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's name
        return True


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"'))


@dataclass(frozen=True, slots=True)
class Host:
    """A device in an inventory: `alias` is its name there, unique in the run."""

    alias: str
    given: Given
    address: str
    login: Login
    #: As known_hosts writes it, of SSH.
    host_key: str | None = None
    #: Of WinRM.
    identity: "Identity | None" = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is to WinRM: the name that its certificate must be of, and whose signature it must have; None = it is not validated."""

    name: str
    trust: Path | None


def aliases(givens: Sequence[Given]) -> list[str]:
    """Names for an inventory: the host name, or with a part of the device's id where two have the same."""
    names = [one.hostname.lower() or "device" for one in givens]
    return [
        name if names.count(name) == 1 and _is_plain(name) else f"{_plain(name)}-{one.device_id.hex[:12]}"
        for name, one in zip(names, givens, strict=True)
    ]


def _is_plain(name: str) -> bool:
    return _plain(name) == name and name not in {"localhost", "all", "ungrouped"}


def _plain(name: str) -> str:
    """No sign that an inventory's pattern gives a meaning to."""
    return "".join(sign if sign.isalnum() or sign in "-." else "-" for sign in name if sign.isascii()) or "device"


@contextmanager
def run_folder(root: Path) -> Iterator[Path]:
    """A new folder below `root`, wiped at the end, whatever happens. It is locked meanwhile: so everybody sees that it is in use."""
    with _locked(root):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = _lock(folder)
    try:
        for name in ("env", "inventory", "project", "cp", "tmp", "home", "keys"):
            (folder / name).mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def wipe_leftovers(root: Path) -> None:
    """Folders of workers that were killed: their locks went with them. A number of a process would not do: others may count anew."""
    with _locked(root):
        for folder in root.glob(f"{_PREFIX}*"):
            with suppress(OSError):  # in use, or not ours
                lock = _lock(folder, fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = _lock(folder)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path, how: int = 0) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def default_root() -> Path:
    """In memory where that can be. Short in any case: the path of a socket has a hundred bytes."""
    shared = Path("/dev/shm")  # noqa: S108 - folders in it are made by mkdtemp, with their owner's rights alone
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())


def fill(folder: Path, hosts: Sequence[Host], *, main: str, is_windows: bool) -> None:
    """Write everything but the playbook's own files, which `main` is one of."""
    variables = {
        host.alias: _host_variables(folder, place, host, is_windows=is_windows) for place, host in enumerate(hosts)
    }
    _write(folder / "inventory" / "hosts.yml", _yaml({"all": {"hosts": variables}}))
    _write(folder / "env" / "extravars", _yaml(_unsafe(hosts[0].given.common)))
    _write(folder / "env" / "settings", json.dumps({"suppress_output_file": True, "pexpect_timeout": 1}))
    _write(folder / "known_hosts", "".join(f"{host.host_key}\n" for host in hosts if host.host_key))
    _write(folder / "ansible.cfg", "")
    forks = hosts[0].given.playbook.forks
    config = {"playbook": main, "cmdline": f"--forks {forks}" if forks else None}
    _write(folder / "controller.json", json.dumps(config))


def _host_variables(folder: Path, place: int, host: Host, *, is_windows: bool) -> dict[str, Any]:
    login = host.login
    found: dict[str, Any] = {**host.given.facts, **host.given.own, "ansible_host": host.address}
    found["ansible_user"] = login.username
    if login.password is not None:
        found["ansible_password"] = login.password.reveal()
    if login.become is not None:
        found |= {"ansible_become_method": login.become.method, "ansible_become_user": login.become.user}
        if login.become.password is not None:
            found["ansible_become_password"] = login.become.password.reveal()
    found |= _winrm(folder, place, host) if is_windows else _ssh(folder, place, login)
    return {name: _unsafe(value) for name, value in found.items()}


def _ssh(folder: Path, place: int, login: Login) -> dict[str, Any]:
    found: dict[str, Any] = {"ansible_connection": "ssh", "ansible_port": login.port}
    if login.private_key is not None:
        path = folder / "keys" / str(place)
        _write(path, _without_passphrase(login))
        found["ansible_ssh_private_key_file"] = str(path)
    return found


def _without_passphrase(login: Login) -> str:
    """The key as it lies in the folder of its run: with nobody there who could type its passphrase."""
    assert login.private_key is not None
    text = login.private_key.reveal()
    if login.passphrase is None:
        return text if text.endswith("\n") else f"{text}\n"
    passphrase = login.passphrase.reveal().encode()
    load = load_ssh_private_key if "BEGIN OPENSSH PRIVATE KEY" in text else load_pem_private_key
    key = load(text.encode(), passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _winrm(folder: Path, place: int, host: Host) -> dict[str, Any]:
    assert host.identity is not None
    login = host.login
    options = winrm_options(folder / "keys" / str(place), login, host.identity)
    return {
        "ansible_connection": "winrm",
        "ansible_shell_type": "powershell",
        "ansible_port": login.port,
        "ansible_winrm_scheme": _scheme(login),
        "ansible_winrm_transport": login.transport,
        **{f"ansible_winrm_{name}": value for name, value in options.items()},
    }


def _scheme(login: Login) -> str:
    return "https" if login.is_tls else "http"


def endpoint_of(address: str, login: Login) -> str:
    """Where WinRM is asked; it is the address that Ansible makes of its variables."""
    return f"{_scheme(login)}://{address}:{login.port}/wsman"


def winrm_options(place: Path, login: Login, identity: Identity) -> dict[str, Any]:
    """What pywinrm is told besides the account, alike for Ansible and for who tries a login before it.

    `place`: the beginning of the paths of the files that are written for it.
    """
    found: dict[str, Any] = {"kerberos_hostname_override": identity.name, "proxy": None}
    if identity.trust is None:
        found["server_cert_validation"] = "ignore"
    else:
        found |= {"server_cert_validation": "validate", "ca_trust_path": str(identity.trust)}
    if login.certificate is not None and login.private_key is not None:
        for name, text in (("cert_pem", login.certificate), ("cert_key_pem", login.private_key.reveal())):
            path = place.with_name(f"{place.name}.{name}")
            _write(path, text)
            found[name] = str(path)
    return found


def _unsafe(value: Any) -> Any:
    if isinstance(value, str):
        return _Unsafe(value)
    if isinstance(value, Mapping):
        return {str(name): _unsafe(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_unsafe(inner) for inner in value]
    return value


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=2**31)


def _write(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)


def environment(folder: Path, collections: Sequence[Path], python: Path) -> dict[str, str]:
    """All that a controller and what it starts may know of its surroundings."""
    ssh = {
        "UserKnownHostsFile": folder / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ControlMaster": "auto",
        "ControlPersist": "60s",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey,password,keyboard-interactive",
        "NumberOfPasswordPrompts": "1",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }
    return {
        "PATH": f"{python.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / _HOME),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
        "ANSIBLE_SSH_ARGS": " ".join(["-F", "none", *(f"-o {name}={value}" for name, value in ssh.items())]),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_ROLES_PATH": str(folder / "project" / "roles"),
        "ANSIBLE_COLLECTIONS_PATH": ":".join(str(path) for path in collections) or str(folder / "home" / "collections"),
        "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).with_name("connections")),
        "ANSIBLE_FORCE_COLOR": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_TIMEOUT": "15",
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
        "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
        "ANSIBLE_LOCALHOST_WARNING": "False",
    }
