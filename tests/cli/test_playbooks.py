"""Playbooks by the command line: from a folder or an archive, out as an archive, and with what is wrong with them."""

import zipfile

PLAY = "- hosts: all\n  roles: [web]\n"
TASKS = "- ansible.builtin.ping: {}\n"


def folder_in(path, tasks=TASKS):
    (path / "roles" / "web" / "tasks").mkdir(parents=True)
    (path / ".git").mkdir()
    (path / ".git" / "config").write_text("[core]\n")
    (path / "site.yml").write_text(PLAY)
    (path / "roles" / "web" / "tasks" / "main.yml").write_text(tasks)
    return path


def made(result):
    assert result.code == 0, result.err
    return result


def test_a_folder_becomes_a_playbook_and_comes_back_as_an_archive(signed_in, unique, tmp_path):
    source = folder_in(tmp_path / f"Web {unique}")
    saved = made(signed_in("assemblies", "import", str(source), "--json")).json
    assert (saved["name"], saved["kind"], saved["revision"]) == (f"Web {unique}", "playbook", 1)
    assert [one["name"] for one in saved["files"]] == ["roles/web/tasks/main.yml"]
    archive = tmp_path / "out.zip"
    made(signed_in("assemblies", "export", saved["name"], "-o", str(archive)))
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["playbook.yml", "watchbill.yml", "roles/web/tasks/main.yml"]
    again = made(signed_in("assemblies", "import", str(archive), "--json")).json
    assert (again["id"], again["revision"]) == (saved["id"], 1)
    extra = tmp_path / "extra.txt"
    extra.write_text("x")
    made(signed_in("assemblies", "files", "attach", saved["name"], str(extra), "--under", "roles/web/files"))
    shown = made(signed_in("assemblies", "show", saved["name"])).out
    assert "roles/web/files/extra.txt" in shown
    assert "playbook" in made(signed_in("assemblies", "list", "-q", unique)).out


def test_what_is_wrong_is_told_with_its_file_and_line(signed_in, unique, tmp_path):
    source = folder_in(tmp_path / f"Web {unique}", "- name: x\n  no.such.module: {}\n")
    refused = signed_in("assemblies", "import", str(source), "--name", f"Other {unique}", "--main", "site.yml")
    assert refused.code != 0
    assert (
        "files.roles/web/tasks/main.yml: line 1, column 3: couldn't resolve module/action 'no.such.module'"
        in refused.err
    )
    (source / "link").symlink_to("/etc/passwd")
    refused = signed_in("assemblies", "import", str(source))
    assert "link is a symbolic link" in refused.err
    alone = signed_in("assemblies", "import", "-", "--name", "X", stdin="name: x\n")
    assert "--name and --main are for the folder" in alone.err


def test_a_job_of_playbooks_is_made_by_options_and_goes_through_its_file(signed_in, unique, tmp_path, device):
    folder_in(tmp_path / f"Web {unique}")
    name = made(signed_in("assemblies", "import", str(tmp_path / f"Web {unique}"), "--json")).json["name"]
    file = tmp_path / "job.yaml"
    file.write_text(
        f"name: Set up {unique}\ncomponents:\n  - {{assembly: {name}, kind: playbook}}\ntargets:\n"
        f"  - {{kind: device, hostname: {device}}}\nschedule: {{type: daily, start: 2030-01-01T03:00}}\nexecution_context: ssh\n"
    )
    planned = signed_in("jobs", "plan", str(file))
    assert "1 to create" in planned.err, planned.err
    job = made(signed_in("jobs", "create", "-f", str(file), "--playbook", name, "--playbook", name, "--json")).json
    assert ([one["kind"] for one in job["components"]], job["execution_context"]) == (["playbook"] * 2, "ssh")
    exported = made(signed_in("jobs", "export", "-", "--only", str(job["id"]))).out
    assert exported.count("kind: playbook") == 2
    file.write_text(exported)
    assert made(signed_in("jobs", "plan", str(file))).code == 0
    mixed = signed_in("jobs", "create", "-f", str(file), "--script", name, "--playbook", name)
    assert mixed.code != 0
    assert "must be script as the first component: a job runs scripts or playbooks, not both" in mixed.err
