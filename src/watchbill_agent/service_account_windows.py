"""The service account on Windows: a local administrator with a random password, which the Engine alone can read.

The password goes to PowerShell on standard input, and leaves the device sealed. A new generation is a new password.
"""

from __future__ import annotations

import json
import secrets
from typing import Callable

from watchbill_agent.commands import CommandError, Commands
from watchbill_agent.service_account import Note, Notes
from watchbill_wire import ServiceAccountReported, ServiceAccountWanted

#: A description of a local account has room for 48 characters.
_MARK = "Watchbill service account "
_FOREIGN = "foreign"
WINDOWS_PATH = r"C:\Windows\System32\WindowsPowerShell\v1.0;C:\Windows\System32"

_READ = """
$ErrorActionPreference = 'Stop'
$given = [Console]::In.ReadToEnd() | ConvertFrom-Json
$user = Get-LocalUser -Name $given.name -ErrorAction SilentlyContinue
if ($user -and $user.Description -ne $given.mark) { 'foreign'; exit 0 }
"""
PRESENT = (
    _READ
    + """
$password = ConvertTo-SecureString $given.password -AsPlainText -Force
if ($user) {
  $user | Set-LocalUser -Password $password -PasswordNeverExpires $true
  $user | Enable-LocalUser
} else {
  $user = New-LocalUser -Name $given.name -Password $password -Description $given.mark -AccountNeverExpires -PasswordNeverExpires
}
try { Add-LocalGroupMember -SID 'S-1-5-32-544' -Member $user }
catch [Microsoft.PowerShell.Commands.MemberExistsException] { }
'done'
"""
)
ABSENT = (
    _READ
    + """
if ($user) {
  $user | Disable-LocalUser
  Get-CimInstance Win32_Process | Where-Object {
    (Invoke-CimMethod -InputObject $_ -MethodName GetOwnerSid).Sid -eq $user.SID.Value
  } | ForEach-Object { Stop-Process -Id $_.ProcessId -Force -ErrorAction SilentlyContinue }
  $user | Remove-LocalUser
}
'done'
"""
)

#: What seals a password: the Engine's key, the generation, the password.
Seal = Callable[[str, int, str], str]


class WindowsServiceAccount:
    def __init__(self, notes: Notes, commands: Commands, seal: Seal) -> None:
        self._notes = notes
        self._commands = commands
        self._seal = seal

    def put(self, wanted: ServiceAccountWanted) -> ServiceAccountReported:
        try:
            if wanted.state == "absent":
                return ServiceAccountReported("absent", wanted.generation, self._gone(wanted.name))
            return ServiceAccountReported("present", wanted.generation, None, self._there(wanted))
        except (CommandError, OSError, ValueError) as error:
            return ServiceAccountReported("failed", wanted.generation, str(error)[:500])

    def _there(self, wanted: ServiceAccountWanted) -> str:
        """The sealed password of this generation; one that was made stays."""
        if wanted.password_key is None:
            raise CommandError("the Engine names no key that a password could be sealed to")
        note = self._notes.load()
        if note is not None and note.generation == wanted.generation and note.password_sealed is not None:
            return note.password_sealed
        password = new_password()
        sealed = self._seal(wanted.password_key, wanted.generation, password)
        note = note or Note(wanted.name, _MARK + secrets.token_hex(8))
        self._notes.save(note)
        if self._powershell(PRESENT, {"name": wanted.name, "mark": note.mark, "password": password}) == _FOREIGN:
            raise CommandError(f"there is an account {wanted.name} that this agent did not make")
        self._notes.save(Note(wanted.name, note.mark, None, wanted.generation, sealed))
        return sealed

    def _gone(self, name: str) -> str | None:
        note = self._notes.load()
        if note is None or note.name != name:
            return None
        if self._powershell(ABSENT, {"name": name, "mark": note.mark}) == _FOREIGN:
            raise CommandError(f"the account {name} is not as this agent made it, and is left as it is")
        self._notes.forget()
        return None

    def _powershell(self, script: str, given: dict[str, str]) -> str:
        arguments = ("-NoProfile", "-NonInteractive", "-Command", script)
        return self._commands.run("powershell", *arguments, given=json.dumps(given)).strip()


def new_password() -> str:
    """240 random bits; the end has a character of each kind that Windows counts."""
    return secrets.token_urlsafe(30) + "aA1-"
