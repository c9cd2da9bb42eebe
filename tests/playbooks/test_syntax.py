"""The syntax of a playbook as the real Ansible sees it: what is wrong with its place, and nothing of the Engine is touched by looking."""

import asyncio
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from watchbill.kit.errors import TooManyRequestsError
from watchbill.playbooks import syntax_child
from watchbill.playbooks.programs import wall
from watchbill.playbooks.syntax import LIMITS

SOUND = """- hosts: all
  vars_files: [vars/more.yml]
  roles: [web]
  tasks:
    - ansible.builtin.include_tasks: later.yml
    - name: Say
      ansible.builtin.debug:
        msg: "{{ lookup('env', 'HOME') }} {{ port }}"
- import_playbook: other.yml
"""
FILES = {
    "roles/web/tasks/main.yml": "- ansible.builtin.copy: {src: a.txt, dest: /tmp/a}\n",
    "roles/web/files/a.txt": "{{{ no yaml",
    "roles/web/templates/a.yml": "{% if x %}[",
    "vars/more.yml": "a: 1\n",
    "other.yml": "- hosts: all\n  tasks: []\n",
    "later.yml": "- ansible.builtin.debug: {msg: x}\n",
}


def left_in(checks):
    return list((checks.collections.data_dir / "work").iterdir())


async def test_a_sound_playbook_has_no_problem_and_leaves_nothing_behind(asked, checks):
    assert list(await asked(SOUND, FILES)) == []
    assert left_in(checks) == []


async def test_a_role_a_module_and_a_word_that_do_not_exist_are_named_with_their_places(asked):
    [role] = await asked("- hosts: all\n  roles:\n    - nowhere\n")
    assert (role.field, role.code) == ("content", "syntax")
    assert role.message.startswith("line 3, column 7: ")
    assert "the role 'nowhere' was not found" in role.message
    broken = FILES | {"roles/web/tasks/main.yml": "---\n- name: x\n  no.such.module: {}\n"}
    [module] = await asked(SOUND, broken)
    assert module.field == "files.roles/web/tasks/main.yml"
    assert module.message.startswith("line 2, column 3: couldn't resolve module/action 'no.such.module'")
    [word] = await asked("- hosts: all\n  rolez: []\n")
    assert word.message == "line 2, column 3: 'rolez' is not a valid attribute for a Play"
    [absent] = await asked("- hosts: all\n  tasks:\n    - import_tasks: gone.yml\n")
    assert "gone.yml" in absent.message
    assert "/work" not in absent.message


async def test_malformed_files_are_all_told_before_ansible_is_asked(asked):
    broken = FILES | {"vars/more.yml": "a: 1\na: 2\n", "roles/web/tasks/main.yml": "- x: [\n"}
    found = await asked(SOUND, broken)
    assert {(one.field, one.code) for one in found} == {
        ("files.vars/more.yml", "repeated_key"),
        ("files.roles/web/tasks/main.yml", "malformed_yaml"),
    }


async def test_what_is_declared_has_a_value_while_the_playbook_is_read(asked):
    content = "- hosts: '{{ group }}'\n  tasks:\n    - import_tasks: '{{ system }}.yml'\n"
    variables = [
        {"name": "group", "type": "string", "default": "all"},
        {"name": "system", "type": "choice", "choices": ["linux"]},
    ]
    files = {"linux.yml": "- ansible.builtin.ping: {}\n"}
    assert list(await asked(content, files, variables=variables)) == []
    [problem] = await asked(content, files)
    assert "'system' is undefined" in problem.message


@pytest.mark.parametrize("plugin", ["pipe", "file", "env", "url"])
async def test_no_lookup_runs_while_a_playbook_is_read(asked, tmp_path, plugin):
    witness = tmp_path / "witness"
    term = f"touch {witness}" if plugin == "pipe" else "/etc/hostname"
    [problem] = await asked(f"- hosts: \"{{{{ lookup('{plugin}', '{term}', errors='ignore') }}}}\"\n  tasks: []\n")
    assert syntax_child.NO_LOOKUP.format(plugin) in problem.message
    assert not witness.exists()


@pytest.mark.parametrize(
    "what", ["  vars_files: [{}]\n", "  tasks:\n    - import_tasks: {}\n", "- import_playbook: {}\n"]
)
async def test_no_file_of_the_engine_is_read(asked, tmp_path, what):
    secret = tmp_path / "ring.json"
    secret.write_text("key: of-the-engine: [\n")
    for path in (secret, f"../../../../{secret.name}"):
        [problem] = await asked("- hosts: all\n" + what.format(path))
        assert "of-the-engine" not in problem.message
        assert "a file outside of the playbook's own tree is not read" in problem.message


async def test_nothing_of_the_tree_becomes_code_of_ansible(asked, tmp_path):
    witness = tmp_path / "witness"
    code = f"open({str(witness)!r}, 'w').close()\n"
    files = {"library/own.py": code, "module_utils/own.py": code}
    await asked("- hosts: all\n  tasks:\n    - own: {}\n", files)
    assert not witness.exists()


async def test_the_environment_of_the_engine_is_not_there(asked, monkeypatch):
    monkeypatch.setenv("WATCHBILL_DATABASE_URL", "postgresql://secret")
    [problem] = await asked("- hosts: \"{{ '$WATCHBILL_DATABASE_URL' | expandvars }}\"\n  gather_fact: no\n")
    assert "secret" not in problem.message


async def test_a_check_that_takes_too_long_is_killed_and_says_so(asked, checks):
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"
    hurried = replace(checks, limits=replace(LIMITS, seconds=2))
    [problem] = await asked(f'- hosts: "{loop}"\n  tasks: []\n', by=hurried)
    assert problem.code in ("check_timed_out", "check_failed")
    assert left_in(checks) == []


async def test_a_check_that_takes_too_much_memory_ends_and_says_so(asked, checks):
    small = replace(checks, limits=replace(LIMITS, memory_bytes=200 << 20))
    [problem] = await asked("- hosts: \"{{ 'x' * 900000000 }}\"\n  tasks: []\n", by=small)
    assert problem.code in ("check_failed", "syntax")


async def test_who_waits_too_long_for_a_turn_is_told_to_come_again(asked, checks):
    one = replace(checks, wait_seconds=0.05, _turns=asyncio.Semaphore(0))
    with pytest.raises(TooManyRequestsError):
        await asked(SOUND, FILES, by=one)


async def test_a_cancelled_check_leaves_nothing_behind(asked, checks):
    task = asyncio.ensure_future(asked(SOUND, FILES))
    while not (work := checks.collections.data_dir / "work").exists() or not list(work.iterdir()):
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert left_in(checks) == []


async def test_the_child_has_no_network_where_this_host_lets_it_have_none():
    prefix = await wall()
    if os.geteuid() == 0:
        assert prefix
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        argv = [*prefix, "/bin/bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"]
        process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
        assert (await process.wait() == 0) is not bool(prefix)


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(tmp_path):
    from watchbill.playbooks.programs import _made, _wiped

    used, lock = _made(tmp_path / "work")
    left = tmp_path / "work" / "left"
    (left / "deep").mkdir(parents=True)
    other, other_lock = _made(tmp_path / "work")
    assert set((tmp_path / "work").iterdir()) == {used, other}
    assert other.stat().st_mode & 0o777 == 0o700
    for one in ((used, lock), (other, other_lock)):
        _wiped(*one)
    assert list(Path(tmp_path / "work").iterdir()) == []
