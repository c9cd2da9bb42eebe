"""What a pasted text is by its looks: one private key, or a mistake that has a name. A key that asks for years of work is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.private_key_text import MOST_ITERATIONS, MOST_ROUNDS, KeyText, read_key_text
from watchbill.core.problems import Problem


def block(label, raw=b"x" * 40):
    return f"-----BEGIN {label}-----\n{base64.b64encode(raw).decode()}\n-----END {label}-----\n"


def string(raw):
    return len(raw).to_bytes(4) + raw


def openssh(rounds):
    options = string(b"s" * 16) + rounds.to_bytes(4)
    return block(
        "OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + string(b"aes256-ctr") + string(b"bcrypt") + string(options)
    )


def der(tag, *parts):
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else bytes([0x82]) + len(body).to_bytes(2)
    return bytes([tag]) + length + body


def pkcs8(iterations):
    number = der(0x02, iterations.to_bytes(5))
    derivation = der(0x30, der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c"), der(0x30, der(0x04, b"salt"), number))
    scheme = der(0x30, der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"), der(0x30, derivation))
    return block("ENCRYPTED PRIVATE KEY", der(0x30, scheme, der(0x04, b"k" * 200)))


def fault(text):
    found = read_key_text(text)
    return found.code if isinstance(found, Problem) else None


@pytest.mark.parametrize("label", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"])
def test_a_private_key_is_taken_with_any_line_ends_and_text_around(label):
    plain = block(label)
    found = read_key_text(f"\n  {plain}\n".replace("\n", "\r\n"))
    assert found == KeyText(plain, label == "OPENSSH PRIVATE KEY")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_a_private_key"),
        ("hello", "not_a_private_key"),
        (block("PRIVATE KEY")[:-20], "not_a_private_key"),
        (block("PRIVATE KEY") * 2, "not_a_private_key"),
        ("ssh-ed25519 " + "A" * 68 + " me@example.org", "is_public_key"),
        ("ssh-rsa " + "A" * 370, "is_public_key"),
        ("ecdsa-sha2-nistp256 " + "A" * 140, "is_public_key"),
        (block("PUBLIC KEY"), "is_public_key"),
        (block("CERTIFICATE"), "is_certificate"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "unsupported_key"),
        (block("DSA PRIVATE KEY"), "unsupported_key"),
    ],
)
def test_mistakes_have_names(text, code):
    assert fault(text) == code


def test_a_dsa_key_is_called_so():
    found = read_key_text(block("DSA PRIVATE KEY"))
    assert isinstance(found, Problem)
    assert "is a DSA key" in found.message


def test_a_certificate_before_its_key_is_passed_over():
    assert read_key_text(block("CERTIFICATE") + block("PRIVATE KEY")) == KeyText(block("PRIVATE KEY"), False)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (openssh(16), None),
        (openssh(MOST_ROUNDS), None),
        (openssh(MOST_ROUNDS + 1), "too_much_work"),
        (openssh(2**32 - 1), "too_much_work"),
        (pkcs8(2048), None),
        (pkcs8(MOST_ITERATIONS + 1), "too_much_work"),
        (pkcs8(2**39 - 1), "too_much_work"),
        (block("ENCRYPTED PRIVATE KEY", der(0x30, bytes.fromhex("060b2b06010401da47040b"))), "too_much_work"),
    ],
)
def test_the_work_that_a_key_asks_for_is_bounded(text, code):
    assert fault(text) == code


@given(st.text())
def test_any_text_is_answered(text):
    read_key_text(text)


@given(st.sampled_from(["OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PRIVATE KEY"]), st.binary(max_size=300))
def test_any_content_is_answered(label, raw):
    read_key_text(block(label, raw))
    read_key_text(block(label, b"openssh-key-v1\0" + raw))
    read_key_text(block(label, b"\x30\x82" + raw))
