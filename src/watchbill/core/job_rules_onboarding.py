"""What a job that brings machines under management may say: its one component, its scope of addresses, its credentials. Pure.

Such a job runs on no device that is known, so that most of what others say has no meaning for it: a value is refused, not ignored.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from watchbill.core.credential_rules import CredentialKind
from watchbill.core.fields import Choice, Fields, is_integer, join, shown
from watchbill.core.job_rules_login import LoginFacts
from watchbill.core.job_rules_values import (
    ComponentKind,
    JobDraft,
    Onboarding,
    OnboardingPlatform,
    Policies,
)
from watchbill.core.problems import Problem
from watchbill.core.scope import read_scope
from watchbill.core.targets import OnboardingScope, Placed, Target

PLATFORMS: Final = Choice(("auto", "linux", "windows"))
CONCURRENCY: Final = (1, 50)
PORTS: Final = (1, 65_535)
MAX_CREDENTIALS: Final = 10
#: Addresses of a scope, where the Engine's setting says nothing else.
MOST_ADDRESSES: Final = 4_096
#: How long the work on one machine may take, where the job does not say.
TIME_LIMIT_SECONDS: Final = 900
#: Names of branches, as packages have them.
BRANCH: Final = re.compile(r"[a-z][a-z0-9._-]{0,39}")
_KIND: Final = Choice((ComponentKind.DEVICE_ONBOARDING,))
_SCOPE: Final = Choice(("onboarding_scope",))
_MAX_TEXTS: Final = 10_000
_MAX_CHARACTERS: Final = 200_000
#: The policies that mean something here.
_POLICIES: Final = frozenset(("overlap", "catch_up", "catch_up_window_seconds", "failure_threshold_percent"))
_NO_EFFECT: Final = "has no effect on onboarding: leave it out"


def read_onboarding(fields: Fields) -> Onboarding | None:
    """The one component; None where it is faulty as a whole."""
    items = fields.items("components", least=1, most=1)
    if not items:
        return None
    one = Fields.of(items[0], fields.problems, join(fields.path, "components.0"))
    one.choice("kind", _KIND, default=ComponentKind.DEVICE_ONBOARDING)
    platform = one.choice("platform", PLATFORMS, default="auto") or "auto"
    found = Onboarding(
        platform=cast("OnboardingPlatform", platform),
        install_branch=_branch(one),
        ssh_port=one.integer("ssh_port", *PORTS, default=22),
        winrm_port=one.integer("winrm_port", *PORTS, default=5985),
        smb_port=one.integer("smb_port", *PORTS, default=445),
        concurrency=one.integer("concurrency", *CONCURRENCY, default=5),
    )
    one.refuse_unknown("a component of kind device_onboarding")
    return found


def _branch(one: Fields) -> str:
    branch = one.text("install_branch", least=1, most=40, default="stable")
    if branch and not BRANCH.fullmatch(branch):
        one.refuse(
            "install_branch",
            "invalid_text",
            "must be lower-case letters, digits and . _ -, a letter first, such as stable",
        )
    return branch


def read_scope_targets(fields: Fields) -> dict[Target, int]:
    """The one target, whose addresses are judged when it is settled: how many there may be is a setting."""
    items = fields.items("targets", least=1, most=1)
    if not items:
        return {}
    one = Fields.of(items[0], fields.problems, join(fields.path, "targets.0"))
    one.choice("kind", _SCOPE)
    site_id = one.take("site_id")
    entries, exclusions = _texts(one, "entries", least=1), _texts(one, "exclusions", least=0)
    if not is_integer(site_id) or not 1 <= site_id < 2**63:
        code = "required" if site_id is None else "wrong_type"
        one.refuse("site_id", code, f"must be the number of a site, not {shown(site_id)}")
        site_id = 0
    one.refuse_unknown("an onboarding scope")
    return {OnboardingScope(site_id, entries, exclusions): 0} if entries else {}


def _texts(fields: Fields, name: str, *, least: int) -> tuple[str, ...]:
    """A text, or a list of them."""
    value = fields.value.get(name)
    if isinstance(value, str):
        items: Sequence[object] = [fields.take(name)]
    else:
        items = fields.items(name, least=least, most=_MAX_TEXTS)
    texts = [one for one in items if isinstance(one, str)]
    if len(texts) < len(items):
        fields.refuse(name, "wrong_type", "must be a list of texts")
    if sum(map(len, texts)) > _MAX_CHARACTERS:
        fields.refuse(name, "length", f"must have at most {_MAX_CHARACTERS} characters")
        return ()
    return tuple(texts)


def read_credential_ids(fields: Fields) -> tuple[int, ...]:
    """The credentials in the order in which they are tried, each once."""
    found: list[int] = []
    for place, value in enumerate(fields.items("credential_ids", least=1, most=MAX_CREDENTIALS)):
        if not is_integer(value) or not 1 <= value < 2**63:
            fields.refuse(
                f"credential_ids.{place}", "wrong_type", f"must be the number of a credential, not {shown(value)}"
            )
        elif value in found:
            fields.refuse(f"credential_ids.{place}", "duplicate", f"credential {value} is listed already")
        else:
            found.append(value)
    return tuple(found)


def refuse_credential_ids(fields: Fields) -> None:
    """Of a job that is not onboarding: null is let pass, since replies have it."""
    if fields.take("credential_ids") not in (None, []):
        fields.refuse("credential_ids", "not_allowed", "must be null: it is for onboarding; others take credential_id")


def refuse_others(fields: Fields) -> None:
    """What other jobs say: null or empty is let pass, since replies have it."""
    for name, allowed, why in (
        ("execution_context", None, "must be null: onboarding signs in by SSH or WinRM as it finds"),
        ("credential_id", None, "must be null: onboarding takes credential_ids"),
        ("use_service_account", False, "must be false: there is none before a machine is a device"),
        ("exclusions", [], "must be empty: what is left out stands in the scope's own exclusions"),
    ):
        value = fields.take(name)
        if value is not None and value != allowed:
            fields.refuse(name, "not_allowed", why)


def onboarding_conflicts(draft: JobDraft, plain: Policies) -> Iterator[Problem]:
    """What is said and means nothing here. `plain`: the policies of a job that says none."""
    said, default = draft.policies.to_json(), plain.to_json()
    for name, value in said.items():
        if name not in _POLICIES and value != default[name] and (name, value) != ("overlap_scope", "job"):
            yield Problem(f"policies.{name}", "not_allowed", _NO_EFFECT)
    if draft.policies.overlap not in ("skip", "allow"):
        message = "must be skip or allow: what is being installed is neither replaced nor waited for"
        yield Problem("policies.overlap", "not_allowed", message)
    if draft.duration.expires_after_seconds is not None:
        message = "must be null: no machine is waited for, and a request for approval stays open for seven days"
        yield Problem("duration.expires_after_seconds", "not_allowed", message)
    if draft.schedule is not None and draft.schedule.is_following:
        message = "must be fixed: there are no devices yet whose clocks could be followed"
        yield Problem("schedule.timezone_source", "not_allowed", message)


def judge_scope(targets: Placed, most: int) -> Iterator[Problem]:
    """What is wrong with the addresses."""
    for target in targets:
        if isinstance(target, OnboardingScope):
            yield from read_scope(target.entries, target.exclusions, field="targets.0", most=most)[1]


def judge_credentials(draft: JobDraft, known: Mapping[int, LoginFacts], *, is_enabled: bool) -> Iterator[Problem]:
    """Whether each can be used by this job. One text for absent and invisible."""
    sites = {target.site_id for target in draft.targets if isinstance(target, OnboardingScope)}
    for place, number in enumerate(draft.credential_ids):
        path, found = f"credential_ids.{place}", known.get(number)
        if found is None:
            yield Problem(path, "credential_not_found", f"there is no credential {number}")
            continue
        if found.is_locked and is_enabled:
            message = "must be given its secrets anew first: the key that they were sealed under is lost"
            yield Problem(path, "credential_locked", message)
        if found.site_id is not None and sites and found.site_id not in sites:
            yield Problem(path, "credential_mismatch", "is for the devices of another site")
        if not _fits(draft.onboarding, found.kind):
            platform = draft.onboarding.platform if draft.onboarding else "auto"
            yield Problem(path, "wrong_kind", f"is for {found.kind}; the platform {platform} is entered by another way")


def _fits(onboarding: Onboarding | None, kind: CredentialKind) -> bool:
    needed = {"linux": CredentialKind.SSH, "windows": CredentialKind.WINRM}
    return onboarding is None or needed.get(onboarding.platform, kind) is kind


def onboarding_in_words(onboarding: Onboarding, addresses: int | None) -> list[str]:
    """A sentence for each step; `addresses` None = the scope is faulty."""
    many = (
        "the addresses of the scope"
        if addresses is None
        else f"{addresses} {'address' if addresses == 1 else 'addresses'}"
    )
    ways = {"linux": "SSH", "windows": "WinRM or SMB", "auto": "SSH, WinRM or SMB, whichever it answers"}
    return [
        f"1. Look at {many}; what is managed already, or waits for approval, is left alone.",
        f"2. Sign in by {ways[onboarding.platform]} with the credentials in their order, each account once on a machine.",
        f"3. Install the agent of the branch `{onboarding.install_branch}`, on {onboarding.concurrency} at once.",
        "4. Each of them waits for a person's approval before it is a device.",
    ]
