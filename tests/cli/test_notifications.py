"""`watchbill notifications` against a real API."""

from tests.cli.conftest import Watchbill


def test_a_channel_and_a_rule_from_the_command_line(signed_in: Watchbill, unique: str, device: str) -> None:
    made = signed_in("notifications", "add-webhook", f"Hook {unique}", "-", stdin="http://127.0.0.1:9/T0P\n")
    assert made.code == 0, made.err
    assert "whsec_" in made.out
    words = ("notifications", "add-email", f"Mail {unique}", "night@example.org", "--site", f"Site {unique}")
    more = ("--digest", "08:00", "--quiet", "22:00-07:00", "--timezone", "Europe/Berlin", "--json")
    mail = signed_in(*words, *more).json
    assert (mail["digest"], mail["quiet"]) == (
        {"every_minutes": None, "daily_at": "08:00"},
        {"from": "22:00", "to": "07:00"},
    )
    shown = signed_in("notifications", "channels")
    assert f"Hook {unique}" in shown.out
    assert "T0P" not in shown.out
    rule = signed_in(
        *(
            "notifications",
            "add-rule",
            "failed",
            "not_started",
            "--channel",
            f"Hook {unique}",
            "--site",
            f"Site {unique}",
        ),
        *("--urgent", "failed", "--bound", "not_started_minutes=30", "--json"),
    ).json
    assert (rule["not_started_minutes"], rule["urgent_events"]) == (30, ["failed"])
    assert "failed, not_started" in signed_in("notifications", "rules").out
    assert signed_in("notifications", "archive-rule", str(rule["id"]), "--yes").code == 0
    assert signed_in("notifications", "archive-channel", f"Mail {unique}", "--yes").code == 0


def test_a_test_that_fails_says_why_and_ends_so(signed_in: Watchbill, unique: str) -> None:
    signed_in("notifications", "add-webhook", f"Hook {unique}", "-", stdin="http://127.0.0.1:9/x")
    tried = signed_in("notifications", "test", f"Hook {unique}")
    assert tried.code == 1
    assert "not a public address" in tried.err


def test_what_is_wrong_is_named(signed_in: Watchbill) -> None:
    assert signed_in("notifications", "test", "nobody").code == 5
    assert signed_in("notifications", "add-rule", "failed", "--channel", "1", "--job", "1", "--site", "1").code == 2
    assert signed_in("notifications", "add-rule", "failed", "--channel", "1", "--bound", "x").code == 2


def test_lists_and_the_sign_of_life_are_shown(signed_in: Watchbill) -> None:
    assert signed_in("notifications", "list").code == 0
    assert "off: WATCHBILL_OUTBOUND_HEARTBEAT_URL" in signed_in("notifications", "heartbeat").out
