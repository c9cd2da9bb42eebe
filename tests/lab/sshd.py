"""A real `sshd` on a host of a lab, with a host key and users of its own."""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.lab.host import Host, Program

_CONFIGURATION = """
Port 22
HostKey /etc/ssh/lab_host_key
PasswordAuthentication {password}
KbdInteractiveAuthentication {asking}
PubkeyAuthentication yes
PermitRootLogin {root}
UsePAM yes
UseDNS no
PrintMotd no
PidFile none
MaxStartups 100
{rest}
"""
#: What a user may do by sudo: nothing, all without a password, all with his own, and that from a terminal alone.
Sudo = Literal["none", "free", "asks", "asks on a terminal"]
_SUDOERS: Mapping[Sudo, str] = {
    "free": "{name} ALL=(ALL) NOPASSWD: ALL\n",
    "asks": "{name} ALL=(ALL) ALL\n",
    "asks on a terminal": "Defaults:{name} requiretty\n{name} ALL=(ALL) ALL\n",
}


@dataclass(frozen=True)
class Ways:
    """How a server may be signed in to. `by_asking`: a password is taken by questions alone. `shell`: the one program that is run for all."""

    root: bool = False
    by_asking: bool = False
    has_sftp: bool = True
    shell: str | None = None

    @property
    def text(self) -> str:
        lines = ["Subsystem sftp internal-sftp"] if self.has_sftp else []
        lines += [f"ForceCommand {self.shell}"] if self.shell else []
        said = {False: "no", True: "yes"}
        return _CONFIGURATION.format(
            password=said[not self.by_asking], asking=said[self.by_asking], root=said[self.root], rest="\n".join(lines)
        )


@dataclass(frozen=True)
class User:
    """Somebody who may sign in there; `password` None: by key alone."""

    name: str
    password: str | None = None
    public_key: str | None = None
    may_sudo: bool = False
    sudo: Sudo = "none"
    shell: str = "/bin/bash"

    @property
    def sudoers(self) -> str | None:
        return _SUDOERS.get("free" if self.may_sudo else self.sudo, "").format(name=self.name) or None


def start_sshd(host: Host, ways: Ways | None = None) -> Program:
    """Run it on all of the host's addresses; returns once it answers."""
    host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/lab_host_key", given="y\n")
    host.run("tee", "/etc/ssh/lab_sshd_config", given=(ways or Ways()).text)
    program = host.start("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/lab_sshd_config")
    script = "for n in $(seq 200); do ssh-keyscan -T 1 -t ed25519 127.0.0.1 2>/dev/null | grep -q . && exit; sleep 0.05; done; exit 1"
    host.run("sh", "-c", script)
    return program


def host_key(host: Host) -> str:
    """Its public key, as `known_hosts` has it: kind and key."""
    kind, key = host.run("cat", "/etc/ssh/lab_host_key.pub").stdout.split()[:2]
    return f"{kind} {key}"


def set_password(host: Host, name: str, password: str) -> None:
    host.run("chpasswd", "--crypt-method", "SHA512", given=f"{name}:{password}\n")


def add_user(host: Host, user: User) -> None:
    host.run("useradd", "--create-home", "--shell", user.shell, user.name)
    if user.password is not None:
        set_password(host, user.name, user.password)
    if user.public_key is not None:
        home = f"/home/{user.name}/.ssh"
        host.run("install", "-d", "-m", "700", "-o", user.name, "-g", user.name, home)
        host.run("tee", f"{home}/authorized_keys", given=user.public_key.rstrip() + "\n")
        host.run("chown", f"{user.name}:", f"{home}/authorized_keys")
        host.run("chmod", "600", f"{home}/authorized_keys")
    if user.sudoers:
        host.run("mkdir", "-p", "/etc/sudoers.d")
        host.run("tee", f"/etc/sudoers.d/{user.name}", given=user.sudoers)
        host.run("chmod", "440", f"/etc/sudoers.d/{user.name}")


def key_pair(passphrase: str = "") -> tuple[str, str]:
    """A private key and its public one, as OpenSSH has them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "lab", "-f", str(path)], check=True
        )
        return path.read_text(), path.with_suffix(".pub").read_text().strip()
