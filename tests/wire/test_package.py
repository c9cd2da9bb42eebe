"""The manifest of a package: what is signed of it is read back as the same value, and what is odd is refused by field."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import watchbill_wire as w

MANIFEST = w.PackageManifest("1.2.3", "linux", "x86_64", "ab" * 32, 5, datetime(2026, 11, 29, tzinfo=UTC), "2.36")
_TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(
    st.builds(
        w.PackageManifest,
        version=st.from_regex(r"[0-9][0-9A-Za-z.+-]{0,39}", fullmatch=True),
        platform=st.sampled_from(("linux", "windows")),
        arch=st.sampled_from(("x86_64", "aarch64")),
        sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        size=st.integers(1, w.MAX_PACKAGE_BYTES),
        built_at=_TIMES,
        glibc=st.none() | st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
    )
)
def test_a_manifest_is_read_as_it_was_written(manifest):
    assert w.parse_manifest(manifest.to_text()) == manifest


def test_its_text_is_canonical_and_signed_with_a_context_of_its_own():
    text = MANIFEST.to_text()
    assert text == (
        '{"arch":"x86_64","built_at":"2026-11-29T00:00:00.000000Z","format":1,"glibc":"2.36","name":"watchbill-agent",'
        f'"platform":"linux","sha256":"{"ab" * 32}","size":5,"version":"1.2.3"}}'
    )
    assert w.package_signing_bytes(text.encode()) == b"watchbill-package:v1\n" + text.encode()
    assert MANIFEST.file_name == "watchbill-agent-1.2.3-linux-x86_64.tar.gz"
    assert w.package_file_name("1", "windows", "x86_64").endswith(".zip")


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        ('"1.2.3"', '"../../etc"', "version"),
        ('"format":1', '"format":2', "format"),
        ('"name":"watchbill-agent"', '"name":"other"', "name"),
        ('"size":5', '"size":0', "size"),
        ('"size":5', f'"size":{w.MAX_PACKAGE_BYTES + 1}', "size"),
        ('"2.36"', '"new"', "glibc"),
        ('"linux"', '"plan9"', "platform"),
    ],
)
def test_what_is_odd_is_refused_by_field(was, becomes, field):
    with pytest.raises(w.WireError) as caught:
        w.parse_manifest(MANIFEST.to_text().replace(was, becomes))
    assert [name for name, _ in caught.value.problems] == [field]


def test_a_text_that_is_too_long_is_not_read():
    with pytest.raises(w.WireError, match="at most 4096"):
        w.parse_manifest(" " * 4097)
