"""A playbook as a zip archive: what is sound comes back, and everything that could do harm is refused by its name."""

import io
import stat
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.playbook_rules import MAX_TREE_FILE_BYTES, MAX_TREE_FILES, path_problem
from watchbill.kit.errors import InvalidError
from watchbill.playbooks import Writer, read_archive

PLAY = b"- hosts: all\n"


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file


def faults(file, main=None):
    with pytest.raises(InvalidError) as caught:
        read_archive(file, main)
    return {(one.field, one.code) for one in caught.value.problems}


def read(file, main=None):
    tree = read_archive(file, main)
    return tree, {path: b"".join(tree.pieces(path)) for path in tree.paths}


def test_what_is_written_is_read_again():
    file = io.BytesIO()
    files = {"roles/web/tasks/main.yml": b"- x: {}\n", "files/empty": b"", "files/big": bytes(range(256)) * 9000}
    described = b"name: Set up\ntime_limit_seconds: 60\n"
    with Writer(file) as writer:
        for name, data in {"playbook.yml": PLAY, "watchbill.yml": described, **files}.items():
            writer.add(name, iter([data[:1000], data[1000:]]))
    tree, found = read(file)
    assert (tree.content, tree.about, found) == (PLAY.decode(), {"name": "Set up", "time_limit_seconds": 60}, files)


def test_an_archive_of_a_repository_has_one_folder_around_it_and_another_name_for_its_playbook():
    entries = [
        ("repo-1.0/", b""),
        ("repo-1.0/site.yml", PLAY),
        ("repo-1.0/roles/a/tasks/main.yml", b""),
        ("repo-1.0/.DS_Store", b""),
    ]
    tree, found = read(zipped(entries))
    assert (tree.content, list(found)) == (PLAY.decode(), ["roles/a/tasks/main.yml"])
    tree, found = read(zipped([("web.yml", PLAY), ("db.yml", PLAY)]), "web.yml")
    assert list(found) == ["db.yml"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("/etc/passwd", "invalid_name"),
        ("../up", "invalid_name"),
        ("a/../../up", "invalid_name"),
        ("a\\b", "invalid_name"),
        ("C:/x", "invalid_name"),
        ("filter_plugins/x.py", "not_allowed"),
        ("ansible.cfg", "not_allowed"),
        ("a/nul", "reserved_name"),
    ],
)
def test_a_path_that_does_harm_is_refused_by_name(name, code):
    shown = name.replace("\\", "\\\\")
    assert faults(zipped([("playbook.yml", PLAY), (name, b"x"), ("fine", b"")])) == {(f"file.{shown}", code)}


def special(name, mode, data=b"/etc/passwd"):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info, data


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_what_is_no_plain_file_is_refused_by_name(kind):
    assert faults(zipped([("playbook.yml", PLAY), special("link", kind | 0o777)])) == {("file.link", "not_a_file")}


def test_a_bomb_is_refused_before_it_is_unpacked():
    big = zipped([("playbook.yml", PLAY), ("zeros", b"\0" * (MAX_TREE_FILE_BYTES + 1))])
    assert big.getbuffer().nbytes < 100_000
    assert faults(big) == {("file.zeros", "too_large")}
    many = [(f"z{number}", b"\0" * MAX_TREE_FILE_BYTES) for number in range(5)]
    assert faults(zipped([("playbook.yml", PLAY), *many])) == {("file", "too_large")}


def test_a_size_that_is_a_lie_unpacks_no_more_than_it_says():
    file = zipped([("playbook.yml", PLAY), ("zeros", b"\0" * 5_000_000)])
    data = bytearray(file.getvalue())
    for place in range(len(data) - 4):
        if struct.unpack_from("<I", data, place)[0] == 5_000_000:
            struct.pack_into("<I", data, place, 1000)
    tree = read_archive(io.BytesIO(bytes(data)), None)
    with pytest.raises(InvalidError) as caught:
        assert sum(map(len, tree.pieces("zeros"))) <= 1000
    assert [(one.field, one.code) for one in caught.value.problems] == [("file.zeros", "damaged")]


def test_too_many_files_are_refused_without_a_look_at_each():
    entries = [(f"f{number}", b"") for number in range(MAX_TREE_FILES + 5)]
    assert faults(zipped([("playbook.yml", PLAY), *entries])) == {("file", "too_many")}
    assert faults(zipped([(f"d{number}/", b"") for number in range(4 * MAX_TREE_FILES + 1)])) == {("file", "too_many")}
    assert faults(zipped([("x" * 200 + str(number), b"") for number in range(9000)])) == {("file", "too_many")}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_file_twice_an_encrypted_one_and_a_strange_packing_are_refused():
    assert faults(zipped([("playbook.yml", PLAY), ("a", b"1"), ("a", b"2")])) == {("file.a", "duplicate")}
    assert faults(zipped([("playbook.yml", PLAY)], zipfile.ZIP_LZMA)) == {("file.playbook.yml", "compression")}
    data = bytearray(zipped([("playbook.yml", PLAY)]).getvalue())
    data[data.index(b"PK\1\2") + 8] |= 1
    assert faults(io.BytesIO(bytes(data))) == {("file.playbook.yml", "encrypted")}


def test_a_playbook_must_be_there_and_what_describes_it_must_be_sound():
    assert faults(zipped([("readme", b"")])) == {("main", "not_found")}
    assert faults(zipped([("playbook.yml", PLAY)]), "other.yml") == {("main", "not_found")}
    assert faults(zipped([("a", b""), ("plays/web.yml", PLAY)]), "plays/web.yml") == {("main", "not_allowed")}
    assert faults(zipped([("playbook.yml", b"\xff")])) == {("file.playbook.yml", "not_utf8")}
    assert faults(zipped([("playbook.yml", PLAY), ("watchbill.yml", b"content: x")])) == {
        ("file.watchbill.yml", "wrong_type")
    }
    assert faults(zipped([("playbook.yml", PLAY), ("watchbill.yml", b"[")])) == {("file", "malformed_yaml")}


@given(st.binary(max_size=400))
def test_any_bytes_are_an_archive_or_refused(data):
    with pytest.raises(InvalidError):
        read_archive(io.BytesIO(data), None)


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_damaged_archive_is_read_or_refused(place, value):
    data = bytearray(zipped([("playbook.yml", PLAY), ("roles/a/tasks/main.yml", b"- x: {}\n" * 20)]).getvalue())
    data[place % len(data)] = value
    try:
        _, found = read(io.BytesIO(bytes(data)))
    except InvalidError:
        return
    assert all(path_problem(path) is None for path in found)
