"""What a credential may say: every fault is named at once, at its field, and no message repeats a secret."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.credential_rules import (
    BecomeMethod,
    CredentialKind,
    SecretName,
    Transport,
    default_port,
    login_name,
    read,
)

PASSWORD, KEY, PASSPHRASE, BECOME = SecretName
SECRET = "correct-horse-battery-staple"
SSH = {"name": "Fleet root", "kind": "ssh", "username": "root", "password": SECRET}
WINRM = {"name": "Fleet admin", "kind": "winrm", "username": "Administrator", "password": SECRET}
BY_CERTIFICATE = {
    "name": "Fleet certificate",
    "kind": "winrm",
    "transport": "certificate",
    "certificate": "a certificate",
    "private_key": "a key",
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
#: What fits somewhere, so that some of what is made of it is accepted.
FITTING: dict[str, list[Any]] = {
    "description": ["", "of the fleet"],
    "site_id": [None, 3],
    "domain": [None, "corp"],
    "port": [None, 22],
    "transport": [None, "basic", "certificate"],
    "tls": [None, True, False],
    "validate_certificates": [None, True, False],
    "certificate": [None, "a certificate"],
    "become": [None, {"user": "root"}, {"user": "SYSTEM", "password": "x"}],
    "password": [None, "a password"],
    "private_key": [None, "a key"],
    "passphrase": [None, "a passphrase"],
}


def without(definition, *names):
    return {name: value for name, value in definition.items() if name not in names}


def found(definition, stored=()):
    return sorted((problem.field, problem.code) for problem in read(definition, stored)[1])


def test_a_plain_credential_is_read_with_its_defaults():
    draft, problems = read(SSH)
    assert problems == []
    assert (draft.kind, draft.transport, draft.tls, draft.become) == (CredentialKind.SSH, None, None, None)
    assert draft.secrets == {PASSWORD: SECRET}
    draft, problems = read(WINRM)
    assert problems == []
    assert (draft.transport, draft.tls, draft.validate_certificates) == (Transport.NTLM, True, True)


def test_a_draft_does_not_show_its_secrets():
    assert SECRET not in repr(read(SSH)[0])


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"kind": "telnet"}, [("kind", "not_allowed")]),
        ({"kind": None}, [("kind", "required")]),
        ({"username": None}, [("username", "required")]),
        ({"username": "-oProxyCommand=x"}, [("username", "invalid_text")]),
        ({"username": "root; reboot"}, [("username", "invalid_text")]),
        ({"username": "CORP\\svc$"}, []),
        ({"username": "svc@corp.example.org"}, []),
        ({"username": "CORP\\svc", "domain": "CORP"}, [("domain", "not_allowed")]),
        ({"domain": "corp.example.org"}, []),
        ({"domain": "no domain"}, [("domain", "invalid_text")]),
        ({"port": 0}, [("port", "out_of_range")]),
        ({"port": "22"}, [("port", "out_of_range")]),
        ({"site_id": "3"}, [("site_id", "wrong_type")]),
        ({"password": None}, [("password", "required")]),
        ({"password": None, "private_key": "a key"}, []),
        ({"private_key": "a key"}, []),
        ({"private_key": "a key", "passphrase": "open"}, []),
        ({"passphrase": "open"}, [("passphrase", "not_allowed")]),
        ({"password": ""}, [("password", "length")]),
        ({"password": "x" * 1001}, [("password", "length")]),
        ({"password": "two\nlines"}, [("password", "invalid_text")]),
        ({"password": 7}, [("password", "wrong_type")]),
        ({"transport": "ntlm"}, [("transport", "not_allowed")]),
        ({"tls": True}, [("tls", "not_allowed")]),
        ({"certificate": "x"}, [("certificate", "not_allowed")]),
        ({"transport": None, "tls": None, "validate_certificates": None, "certificate": None}, []),
        ({"become": {"method": "sudo"}}, []),
        ({"become": {"method": "runas", "user": "x"}}, [("become.method", "not_allowed")]),
        ({"become": {"password": 7}}, [("become.password", "wrong_type")]),
        ({"become": {"user": "a b"}}, [("become.user", "invalid_text")]),
        ({"become": {"color": "red"}}, [("become.color", "unknown_field")]),
        ({"become": "root"}, [("become", "wrong_type")]),
        ({"color": "red"}, [("color", "unknown_field")]),
        ({"has_password": True}, [("has_password", "read_only")]),
    ],
)
def test_what_a_credential_for_ssh_may_say(changes, wanted):
    assert found(SSH | changes) == wanted


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"transport": "telepathy"}, [("transport", "not_allowed")]),
        ({"transport": "kerberos", "domain": "corp.example.org"}, []),
        ({"transport": "credssp"}, []),
        ({"transport": "basic"}, []),
        ({"transport": "basic", "tls": False}, [("tls", "not_allowed")]),
        ({"tls": False}, []),
        ({"tls": False, "validate_certificates": False}, [("validate_certificates", "no_effect")]),
        ({"validate_certificates": False}, []),
        ({"password": None}, [("password", "required")]),
        ({"private_key": "a key"}, [("private_key", "not_allowed")]),
        ({"passphrase": "open"}, [("passphrase", "not_allowed")]),
        ({"certificate": "x"}, [("certificate", "not_allowed")]),
        ({"become": {"method": "runas", "user": "SYSTEM"}}, []),
        ({"become": {"method": "runas"}}, [("become.user", "required")]),
        ({"become": {"method": "sudo", "user": "root"}}, [("become.method", "not_allowed")]),
    ],
)
def test_what_a_credential_for_winrm_may_say(changes, wanted):
    assert found(WINRM | changes) == wanted


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, []),
        ({"tls": False}, [("tls", "not_allowed")]),
        ({"private_key": None}, [("private_key", "required")]),
        ({"certificate": None}, [("certificate", "required")]),
        ({"password": SECRET}, [("password", "not_allowed")]),
        ({"passphrase": "open"}, [("passphrase", "not_allowed")]),
        ({"username": "Administrator"}, [("username", "not_allowed")]),
    ],
)
def test_a_certificate_needs_its_key_and_nothing_else(changes, wanted):
    assert found(BY_CERTIFICATE | changes) == wanted


def test_all_problems_are_told_at_once():
    bad = {"name": "", "kind": "winrm", "transport": "basic", "tls": False, "port": 0, "color": "red"}
    assert found(bad) == [
        ("color", "unknown_field"),
        ("name", "length"),
        ("password", "required"),
        ("port", "out_of_range"),
        ("tls", "not_allowed"),
        ("username", "required"),
    ]


class TestSecretsThatAreStored:
    """What an edit does not say stays; null takes away; what nothing uses any more is forgotten."""

    def after(self, changes, stored, base=SSH):
        draft, problems = read(without(base, "password") | changes, stored)
        return sorted(draft.held(stored)), sorted((one.field, one.code) for one in problems)

    def test_a_secret_that_is_not_said_stays(self):
        assert self.after({}, {PASSWORD}) == ([PASSWORD], [])

    def test_null_takes_it_away_where_another_way_to_sign_in_is_left(self):
        assert self.after({"password": None}, {PASSWORD, KEY}) == ([KEY], [])
        assert self.after({"password": None}, {PASSWORD}) == ([], [("password", "required")])

    def test_a_passphrase_goes_with_its_key(self):
        assert self.after({"private_key": "another"}, {KEY, PASSPHRASE}) == ([KEY], [])
        assert self.after({"private_key": None}, {PASSWORD, KEY, PASSPHRASE}) == ([PASSWORD], [])
        assert self.after({"private_key": "another", "passphrase": "x"}, {KEY, PASSPHRASE}) == ([PASSPHRASE, KEY], [])
        assert self.after({"passphrase": None}, {KEY, PASSPHRASE}) == ([KEY], [])

    def test_the_password_of_become_stays_as_long_as_somebody_is_become(self):
        stored = {PASSWORD, BECOME}
        assert self.after({"become": {"method": "su"}}, stored) == ([BECOME, PASSWORD], [])
        assert self.after({"become": {"method": "su", "password": None}}, stored) == ([PASSWORD], [])
        assert self.after({}, stored) == ([PASSWORD], [])

    def test_another_transport_forgets_what_it_does_not_use(self):
        changes = without(BY_CERTIFICATE, "name", "kind")
        base = without(WINRM, "username")
        assert self.after(changes, {PASSWORD}, base) == ([KEY], [])


@given(anything)
def test_whatever_is_sent_is_answered(definition):
    read(definition, set(SecretName))


credentials = st.fixed_dictionaries(
    {"kind": st.sampled_from(["ssh", "winrm"]), "name": st.just("Fleet"), "username": st.sampled_from(["root", None])},
    optional={name: st.sampled_from(some) for name, some in FITTING.items()},
)


@given(credentials, st.none() | st.sampled_from(list(FITTING)), anything, st.sets(st.sampled_from(list(SecretName))))
def test_what_is_accepted_signs_in_somehow(definition, spoilt, value, stored):
    draft, problems = read(definition if spoilt is None else definition | {spoilt: value}, stored)
    if not problems:
        assert draft.held(stored) & {PASSWORD, KEY}
        assert draft.kept(stored) <= stored
    assert all(problem.message for problem in problems)


@given(
    st.sampled_from(["password", "private_key", "passphrase"]), st.integers(10**9, 10**10) | st.text("\0", min_size=1)
)
def test_no_message_repeats_a_secret(name, secret):
    for base in (SSH, WINRM, BY_CERTIFICATE):
        for value in (secret, [f"{secret}"], {"a": secret}):
            problems = read(base | {name: value, "become": {"password": value}})[1]
            assert problems
            assert all(str(secret) not in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("kind", "transport", "name"),
    [
        (CredentialKind.SSH, None, "svc@corp"),
        (CredentialKind.WINRM, Transport.KERBEROS, "svc@corp"),
        (CredentialKind.WINRM, Transport.NTLM, "corp\\svc"),
    ],
)
def test_a_domain_is_written_as_the_way_to_sign_in_wants_it(kind, transport, name):
    assert login_name(kind, transport, "corp", "svc") == name
    assert login_name(kind, transport, None, "svc") == "svc"


def test_without_a_port_the_usual_one_is_meant():
    assert default_port(CredentialKind.SSH, tls=None) == 22
    assert (default_port(CredentialKind.WINRM, tls=True), default_port(CredentialKind.WINRM, tls=False)) == (5986, 5985)


def test_become_has_the_usual_user():
    become = read(SSH | {"become": {}})[0].become
    assert become is not None
    assert (become.method, become.user) == (BecomeMethod.SUDO, "root")
