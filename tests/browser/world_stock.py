"""What the pictures of assemblies, of credentials and of settings need: a script with a past, values at every place, people, tokens."""

from typing import Any

from tests.browser.world_workflows import workflows
from tests.factories.logins import make_credential
from tests.factories.private_keys import PASSPHRASE, ed25519_key, written
from tests.flows.fleet import Agent, Fleet
from watchbill import credentials
from watchbill.kit.secrets import KeyRing

_ROTATE = """\
#!/usr/bin/env bash
# Take new keys from the vault, and tell the service.
set -euo pipefail

readonly keys="/var/lib/lighthouse/keys"
umask 077

fetch() {
  curl --fail --silent --header "Authorization: Bearer ${VAULT_TOKEN}" "${VAULT_URL}/keys/$1" >"${keys}/$1.new"
  mv "${keys}/$1.new" "${keys}/$1"
}

for name in signing mooring; do
  fetch "${name}"
done
if [[ "${RESTART}" == "true" ]]; then
  systemctl restart lighthouse
fi
"""
_VARIABLES = [
    {
        "name": "VAULT_URL",
        "type": "string",
        "default": "https://vault.harbour.example",
        "description": "where keys are",
    },
    {"name": "VAULT_TOKEN", "type": "secret", "required": True},
    {"name": "RESTART", "type": "boolean", "default": True},
    {"name": "LEVEL", "type": "choice", "choices": ["quiet", "verbose"], "default": "quiet"},
]


_PLAYS = """---
# Web servers of the harbour.
- name: Web servers
  hosts: all
  become: true
  roles:
    - web
  post_tasks:
    - name: Say where it is
      ansible.builtin.debug:
        msg: "listens on {{ web_port }}"
"""
_TREE = {
    "group_vars/all.yml": b"web_user: www\n",
    "roles/web/tasks/main.yml": b"- name: Page\n  ansible.builtin.template:\n    src: index.html.j2\n    dest: /srv/index.html\n",
    "roles/web/handlers/main.yml": b"- name: Reload\n  ansible.builtin.service: {name: web, state: reloaded}\n",
    "roles/web/templates/index.html.j2": b"<h1>{{ inventory_hostname }}</h1>\n",
}


async def stock(fleet: Fleet, device: Agent) -> dict[str, Any]:
    """The id of the assembly, by the name that paths of pictures use."""
    stored = await _post(fleet, "/api/assembly_files", content=b"[keys]\nsigning = ed25519\n" * 90)
    body = {
        "name": "Rotate service keys",
        "description": "Takes the signing keys anew from the vault of the harbour.",
        "interpreter": "bash",
        "content": _ROTATE,
        "variables": _VARIABLES,
        "files": [{"name": "keys.ini", **stored}],
        "warning_exit_codes": [3, 7],
        "time_limit_seconds": 900,
    }
    first = _ROTATE.replace("for name in signing mooring", "for name in signing").replace("umask 077\n", "")
    made = await _post(
        fleet, "/api/assemblies", json=body | {"content": first, "variables": _VARIABLES[:2], "files": []}
    )
    for change in ({"content": first + "\nlogger keys are new\n"}, {}):
        saved = await fleet.http.put(f"/api/assemblies/{made['id']}", json=body | change)
        assert saved.status_code == 200, saved.text
    component = {"variables": {"VAULT_TOKEN": "s.1234567890"}}
    daily = {"type": "daily", "start": "2026-01-01T04:10", "timezone": "Europe/Berlin"}
    for name in ("Rotate keys of the lighthouse", "Rotate keys of the lock"):
        await fleet.job(made["id"], device, name=name, schedule=daily, component=component)
    site = {"site_id": fleet.site["id"]}
    for value in (
        {"name": "REGION", "value": "eu-north", "description": "which mirror is near"},
        {"name": "REGION", "value": "eu-central", **site},
        {"name": "REGION", "value": "eu-central-2", "device_id": device.device_id},
        {
            "name": "VAULT_TOKEN",
            "value": "s.abcdef",
            "is_secret": True,
            "description": "of the harbour's vault",
            **site,
        },
        {"name": "RETRIES", "value": 3},
        {"name": "VERBOSE", "value": False, **site},
    ):
        await _post(fleet, "/api/variables", json=value)
    await _credentials(fleet)
    for person in (
        {"username": "nora", "display_name": "Nora Kai", "role": "operator", "denied_permissions": ["run_as_system"]},
        {"username": "piet", "display_name": "Piet Anker", "role": "viewer"},
    ):
        password = {"password": "a wholly new phrase", "site_ids": [fleet.site["id"]]}
        await _post(fleet, "/api/operators", json=password | person)
    for name, scopes in (("Dashboard in the control room", ["read"]), ("Nightly import", ["read", "jobs:write"])):
        await _post(fleet, "/api/api_tokens", json={"name": name, "scopes": scopes})
    return {
        "assembly": made["id"],
        "playbook": await _playbook(fleet),
        **await workflows(fleet, made["id"]),
    }


async def _playbook(fleet: Fleet) -> str:
    files = [
        {"name": name, "sha256": (await _post(fleet, "/api/assembly_files", content=text))["sha256"]}
        for name, text in _TREE.items()
    ]
    body = {
        "name": "Harbour web servers",
        "description": "Web servers with their pages, as the harbour wants them.",
        "kind": "playbook",
        "content": _PLAYS,
        "variables": [{"name": "web_port", "type": "number", "default": 8080, "description": "where they listen"}],
        "files": files,
    }
    return str((await _post(fleet, "/api/assemblies", json=body))["id"])


async def _credentials(fleet: Fleet) -> None:
    """Of both kinds, for every site and for one; the key of the last is lost."""
    for one in (
        {"name": "Fleet root", "kind": "ssh", "username": "root", "private_key": written(ed25519_key())},
        {
            "name": "Harbour deploy",
            "kind": "ssh",
            "username": "deploy",
            "password": "x-ray of a key",
            "private_key": written(ed25519_key(), PASSPHRASE),
            "passphrase": PASSPHRASE,
            "become": {"method": "sudo", "password": "become-me"},
            "site_id": fleet.site["id"],
            "description": "signs in as who deploys, and becomes root",
        },
        {
            "name": "Windows servers",
            "kind": "winrm",
            "username": "svc-watch",
            "domain": "CORP",
            "password": "x-ray of a key",
        },
    ):
        await _post(fleet, "/api/credentials", json=one)
    async with fleet.db.begin() as tx:
        lost = KeyRing("k9", {"k9": bytes(32)})
        await make_credential(tx, "Old bastion", keys=lost, now=await fleet.clock.now(tx), username="bastion")
        await credentials.check_keys(tx, fleet.keys)


async def _post(fleet: Fleet, path: str, **given: Any) -> dict[str, Any]:
    reply = await fleet.http.post(path, **given)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())
