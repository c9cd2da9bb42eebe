"""Packages of the agent over HTTP: for those who publish them, and for machines with an enrolment code."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.api.conftest import codes
from tests.factories.packages import package, tar_gz, windows_package
from watchbill.agents.enrolment import PER_ADDRESS
from watchbill_wire import from_base64url, package_signing_bytes, parse_manifest

PACKAGES = "/api/agent_packages"
DOWNLOAD = "/api/agent/packages/linux/x86_64"


async def publish(client, data: bytes, branch: str = "stable"):
    headers = {"Content-Type": "application/octet-stream"}
    return await client.post(PACKAGES, params={"branch": branch}, content=data, headers=headers)


async def code_of(client, world) -> dict[str, str]:
    site = (await client.get(f"/api/sites/{world.site_a}")).json()
    return {"Authorization": f"Enrolment {site['enrolment_code']}"}


async def test_a_package_is_published_listed_promoted_and_withdrawn(admin, viewer):
    made = await publish(admin, package(), "beta")
    assert made.status_code == 201, made.text
    there = made.json()
    assert (there["version"], there["platform"], there["arch"], there["branch"]) == ("1.0.0", "linux", "x86_64", "beta")
    assert there["sha256"] == hashlib.sha256(package()).hexdigest()
    assert (await publish(admin, package(), "beta")).status_code == 200
    promoted = await admin.post(f"{PACKAGES}/{there['id']}/promote", json={"branch": "stable"})
    assert promoted.json()["branch"] == "stable"
    withdrawn = await admin.post(f"{PACKAGES}/{there['id']}/withdraw")
    assert withdrawn.json()["withdrawn_by"] == "ada"
    listed = (await viewer.get(PACKAGES)).json()["items"]
    assert [(one["branch"], one["withdrawn_at"] is None) for one in listed] == [("stable", True), ("beta", False)]
    assert len((await viewer.get(PACKAGES, params={"branch": "stable"})).json()["items"]) == 1
    first = (await viewer.get(PACKAGES, params={"limit": 1})).json()
    rest = (await viewer.get(PACKAGES, params={"cursor": first["next_cursor"]})).json()
    assert [*first["items"], *rest["items"]] == listed


async def test_what_is_no_package_or_has_no_branch_is_refused_and_nothing_stays(admin):
    odd = await publish(admin, b"#!/bin/sh\n")
    assert (odd.status_code, codes(odd)) == (422, {"package": "not_a_package"})
    assert codes(await publish(admin, tar_gz({"x": b""}))) == {"package": "top_folder"}
    assert codes(await publish(admin, package(), "No Branch")) == {"branch": "bad_branch"}
    assert (await publish(admin, package())).status_code == 201
    other = await publish(admin, package(more=b"x"))
    assert (other.status_code, other.json()["code"]) == (409, "version_is_there")
    assert len((await admin.get(PACKAGES)).json()["items"]) == 1


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(admin):
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(201 * 1024 * 1024)}
    reply = await admin.post(PACKAGES, content=b"x", headers=headers)
    assert reply.status_code == 413


async def test_a_machine_with_a_code_gets_the_newest_and_what_it_is_checked_with(admin, anonymous, world):
    await publish(admin, package("1.0.0"))
    await publish(admin, package("1.1.0", more=b"x" * 3_000_000))
    await publish(admin, windows_package("9.0.0"))
    got = await anonymous.get(DOWNLOAD, headers=await code_of(admin, world))
    assert got.status_code == 200, got.text
    assert got.content == package("1.1.0", more=b"x" * 3_000_000)
    manifest = from_base64url(got.headers["X-Watchbill-Manifest"], 4096)
    key = Ed25519PublicKey.from_public_bytes(from_base64url(got.headers["X-Watchbill-Key"]))
    key.verify(from_base64url(got.headers["X-Watchbill-Signature"]), package_signing_bytes(manifest))
    said = parse_manifest(manifest.decode())
    assert (said.version, said.size, said.sha256) == ("1.1.0", len(got.content), got.headers["ETag"].strip('"'))
    assert 'filename="watchbill-agent-1.1.0-linux-x86_64.tar.gz"' in got.headers["Content-Disposition"]
    windows = await anonymous.get("/api/agent/packages/windows/x86_64", headers=await code_of(admin, world))
    assert windows.content == windows_package("9.0.0")


async def test_what_the_branch_does_not_have_is_told_with_what_it_has(admin, anonymous, world):
    await publish(admin, package())
    headers = await code_of(admin, world)
    none = await anonymous.get("/api/agent/packages/linux/aarch64", headers=headers)
    assert (none.status_code, none.json()["code"]) == (404, "no_agent_package")
    assert "It has linux x86_64" in none.json()["detail"]
    other = await anonymous.get(DOWNLOAD, params={"branch": "beta"}, headers=headers)
    assert "There are the branches stable" in other.json()["detail"]
    assert (await anonymous.get("/api/agent/packages/plan9/x86_64", headers=headers)).status_code == 422


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Enrolment "}])
async def test_without_a_code_there_is_nothing(admin, anonymous, headers):
    await publish(admin, package())
    assert (await anonymous.get(DOWNLOAD, headers=headers)).status_code == 401


async def test_wrong_codes_count_as_they_do_at_enrolment_and_are_seen(admin, anonymous, world):
    await publish(admin, package())
    wrong = {"Authorization": "Enrolment WRONG-CODE"}
    for _ in range(PER_ADDRESS.most):
        assert (await anonymous.get(DOWNLOAD, headers=wrong)).json()["code"] == "enrolment_refused"
    # Used up, also for a good one.
    blocked = await anonymous.get(DOWNLOAD, headers=await code_of(admin, world))
    assert (blocked.status_code, int(blocked.headers["Retry-After"]) > 0) == (429, True)


async def test_the_install_script_is_for_everybody_and_has_nothing_secret(anonymous, admin, world):
    script = await anonymous.get("/install.sh")
    assert script.status_code == 200
    assert script.headers["Content-Type"].startswith("text/x-shellscript")
    assert script.text.startswith("#!/bin/sh\n")
    assert script.text.rstrip().endswith('main "$@"'), "one that is cut off does nothing"
    site = (await admin.get(f"/api/sites/{world.site_a}")).json()
    where = f"--server http://127.0.0.1:8470 --code {site['enrolment_code']}"
    assert site["install_command"] == f"curl -fsS http://127.0.0.1:8470/install.sh | sudo sh -s -- {where}"
    assert site["enrolment_code"] not in script.text
