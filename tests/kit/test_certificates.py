"""Of which name a certificate is."""

import pytest
from hypothesis import given as over
from hypothesis import strategies as some

from watchbill.kit.certificates import CertificateRefusedError, name_of

LABEL = some.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)


def _name(shown: list[str], names: list[str]) -> str | None:
    try:
        return name_of("there", {"subjectAltName": tuple(("DNS", name) for name in shown)}, names)
    except CertificateRefusedError:
        return None


@over(some.lists(LABEL, min_size=1, max_size=4, unique=True), some.lists(LABEL, min_size=1, max_size=4, unique=True))
def test_a_certificate_is_of_a_device_when_they_share_a_name(shown: list[str], names: list[str]) -> None:
    shared = [name for name in names if name in shown]
    assert _name([name.upper() for name in shown], names) == (shared[0] if shared else None)


@pytest.mark.parametrize(
    ("shown", "name", "is_it"),
    [
        ("*.corp.example", "web-1.corp.example", True),
        ("*.corp.example", "corp.example", False),
        ("*.corp.example", "a.web-1.corp.example", False),
        ("web-1.corp.example", "web-1", False),
    ],
)
def test_wildcards_stand_for_one_label(shown: str, name: str, is_it: bool) -> None:
    assert (_name([shown], [name]) == name) is is_it


def test_a_certificate_without_alternative_names_is_of_nobody() -> None:
    with pytest.raises(CertificateRefusedError, match="no name"):
        name_of("there", {"subject": ((("commonName", "web-1"),),)}, ["web-1"])
