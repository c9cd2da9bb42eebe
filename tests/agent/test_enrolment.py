"""Enrolment by the real command: keys, codes, pins, waiting, and the exit codes that scripts rely on."""

import asyncio
import datetime as dt
import hashlib
import ipaddress
import json
import ssl
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import watchbill_wire as w
from tests.agent.conftest import Agent
from tests.agent.engine import Engine


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "engine")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    return context, cert.public_bytes(serialization.Encoding.DER)


@pytest.fixture
async def secure(tmp_path):
    context, der = certificate(tmp_path)
    engine = await Engine(context).start()
    agent = Agent(tmp_path / "agent", engine)
    yield engine, agent, der
    await agent.stop()
    await engine.stop()


async def test_a_device_enrols_with_a_key_that_only_it_can_read(engine, agent):
    done = await agent.enroll()
    assert done.returncode == 0, done.stderr
    assert f"Approved as device {engine.device_id}." in done.stdout
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in agent.data.iterdir() if path.is_file()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(agent.data.stat().st_mode) == 0o700
    request = engine.enrol_requests[0]
    assert request["os_family"] == "linux"
    assert (agent.data / "device.key").read_bytes() not in json.dumps(request).encode()


async def test_a_wrong_code_is_denied_and_leaves_no_half_enrolment(engine, agent):
    done = await agent.enroll(code="WRONG-CODE")
    assert (done.returncode, "the code is not valid" in done.stderr) == (5, True)
    assert (await agent.command("run")).returncode == 3


async def test_a_pending_request_is_continued_by_the_same_command(engine, agent):
    engine.state = "pending"
    first = await agent.command("enroll", "--server", engine.url, "--code", engine.code, "--no-wait")
    assert (first.returncode, "not approved yet" in first.stderr) == (6, True)
    assert (await agent.command("run")).returncode == 3
    waiting = asyncio.create_task(agent.enroll())
    engine.state = "approved"
    assert (await waiting).returncode == 0
    assert len(engine.enrol_requests) == 1


async def test_an_enrolled_device_is_not_enrolled_again_unless_forced(engine, agent):
    assert (await agent.enroll()).returncode == 0
    again = await agent.enroll()
    assert (again.returncode, engine.device_id in again.stderr) == (4, True)
    assert (await agent.enroll("--force")).returncode == 0
    keys = {request["public_key"] for request in engine.enrol_requests}
    assert len(keys) == 2


async def test_a_folder_that_others_use_is_not_closed_off(engine, agent):
    agent.data.mkdir(mode=0o755)
    (agent.data / "somebody's file").touch()
    done = await agent.enroll()
    assert (done.returncode, "--data-dir" in done.stderr) == (2, True)
    assert stat.S_IMODE(agent.data.stat().st_mode) == 0o755


async def test_enrolling_again_beside_a_running_agent_says_that_it_is_enrolled(engine, agent):
    await agent.up()
    assert (await agent.enroll()).returncode == 4
    assert (await agent.enroll("--force")).returncode == 9


async def test_a_denial_says_why(engine, agent):
    engine.state = "denied"
    done = await agent.enroll()
    assert (done.returncode, "no such device here" in done.stderr) == (5, True)


@pytest.mark.parametrize(
    "server", ["http://192.0.2.1:80", "ftp://127.0.0.1", "127.0.0.1", "https://user@host", "http://127.0.0.1.evil.test"]
)
async def test_a_server_that_is_not_allowed_is_refused_before_anything_is_sent(agent, server):
    done = await agent.command("enroll", "--server", server, "--code", "SITE-1234", "--no-wait")
    assert (done.returncode, "--server" in done.stderr) == (2, True)


async def test_a_pin_cannot_be_asked_for_without_tls(engine, agent):
    done = await agent.enroll("--fingerprint", "sha256:" + "a" * 64)
    assert (done.returncode, engine.enrol_requests) == (2, [])


async def test_an_engine_that_is_away_has_an_exit_code_of_its_own(agent):
    done = await agent.command("enroll", "--server", "http://127.0.0.1:9", "--code", "SITE-1234", "--no-wait")
    assert done.returncode == 7


async def test_a_pin_in_the_code_is_all_the_trust_that_is_needed(secure):
    engine, agent, der = secure
    done = await agent.enroll(code=f"{engine.code}.{w.pin_of(der)}")
    assert done.returncode == 0, done.stderr
    assert engine.enrol_requests[0]["code"] == engine.code
    agent.start()
    await engine.connected()
    assert (await engine.result(await engine.order("true"))).exit_code == 0


async def test_a_fingerprint_does_the_same(secure):
    _, agent, der = secure
    digits = hashlib.sha256(der).hexdigest()
    done = await agent.enroll("--fingerprint", "sha256:" + ":".join(digits[i : i + 2] for i in range(0, 64, 2)).upper())
    assert done.returncode == 0, done.stderr


async def test_another_certificate_than_the_pinned_one_is_told_nothing(secure):
    engine, agent, _ = secure
    done = await agent.enroll(code=f"{engine.code}.{w.pin_of(b'another')}")
    assert (done.returncode, engine.enrol_requests) == (8, [])


async def test_without_a_pin_an_unknown_authority_is_not_trusted(secure):
    engine, agent, _ = secure
    done = await agent.enroll()
    assert (done.returncode, engine.enrol_requests) == (7, [])
    assert "not trusted" in done.stderr


async def test_after_enrolment_a_server_with_another_certificate_gets_no_proof(secure, tmp_path):
    engine, agent, der = secure
    assert (await agent.enroll(code=f"{engine.code}.{w.pin_of(der)}")).returncode == 0
    (tmp_path / "other").mkdir()
    other = await Engine(certificate(tmp_path / "other")[0]).start()
    try:
        identity = agent.data / "identity.json"
        identity.write_text(identity.read_text().replace(engine.url, other.url))
        agent.start()
        while "not trusted" not in agent.log.read_text():
            await asyncio.sleep(0.05)
        assert (other.challenges, other.connections) == (set(), 0)
    finally:
        await other.stop()


async def test_status_says_who_this_device_is_without_its_secrets(engine, agent):
    before = json.loads((await agent.command("status", "--json")).stdout)
    assert before["state"] == "not enrolled"
    await agent.up()
    name = await engine.order("true")
    await engine.result(name)
    status = await agent.command("status", "--json")
    facts = json.loads(status.stdout)
    assert (facts["state"], facts["device_id"], facts["is_running"]) == ("approved", engine.device_id, True)
    assert sum(facts["deliveries"].values()) == 1


async def test_help_tells_the_exit_codes(agent):
    done = await agent.command("run", "--help")
    assert "another agent uses the data directory" in done.stdout
