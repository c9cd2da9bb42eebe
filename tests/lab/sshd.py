"""A real `sshd` on a host of a lab, with a host key and users of its own."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.host import Host, Program

_CONFIGURATION = """
Port 22
HostKey /etc/ssh/lab_host_key
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin no
UsePAM yes
UseDNS no
PrintMotd no
PidFile none
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class User:
    """Somebody who may sign in there; `password` None: by key alone."""

    name: str
    password: str | None = None
    public_key: str | None = None
    may_sudo: bool = False


def start_sshd(host: Host) -> Program:
    """Run it on all of the host's addresses; returns once it answers."""
    host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/lab_host_key", given="y\n")
    host.run("tee", "/etc/ssh/lab_sshd_config", given=_CONFIGURATION)
    program = host.start("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/lab_sshd_config")
    script = "for n in $(seq 200); do ssh-keyscan -T 1 -t ed25519 127.0.0.1 2>/dev/null | grep -q . && exit; sleep 0.05; done; exit 1"
    host.run("sh", "-c", script)
    return program


def host_key(host: Host) -> str:
    """Its public key, as `known_hosts` has it: kind and key."""
    kind, key = host.run("cat", "/etc/ssh/lab_host_key.pub").stdout.split()[:2]
    return f"{kind} {key}"


def add_user(host: Host, user: User) -> None:
    host.run("useradd", "--create-home", "--shell", "/bin/bash", user.name)
    if user.password is not None:
        host.run("chpasswd", "--crypt-method", "SHA512", given=f"{user.name}:{user.password}\n")
    if user.public_key is not None:
        home = f"/home/{user.name}/.ssh"
        host.run("install", "-d", "-m", "700", "-o", user.name, "-g", user.name, home)
        host.run("tee", f"{home}/authorized_keys", given=user.public_key.rstrip() + "\n")
        host.run("chown", f"{user.name}:", f"{home}/authorized_keys")
        host.run("chmod", "600", f"{home}/authorized_keys")
    if user.may_sudo:
        host.run("mkdir", "-p", "/etc/sudoers.d")
        host.run("tee", f"/etc/sudoers.d/{user.name}", given=f"{user.name} ALL=(ALL) NOPASSWD: ALL\n")
        host.run("chmod", "440", f"/etc/sudoers.d/{user.name}")


def key_pair() -> tuple[str, str]:
    """A private key and its public one, as OpenSSH has them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path)], check=True)
        return path.read_text(), path.with_suffix(".pub").read_text().strip()
