"""Jobs as operators save them, made of chance: every type of schedule, in zones whose clocks change in every way there is."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

Spec = dict[str, Any]

#: Gaps and folds of an hour, of half an hour, of two; at midnight; by the moon; and none.
ZONES = (
    *("America/Denver", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "Africa/Casablanca"),
    *("America/St_Johns", "Antarctica/Troll", "Pacific/Chatham", "America/Santiago", "Asia/Kathmandu"),
    *("Asia/Beirut", "UTC"),
)
SHORT = ("every_5_minutes", "every_10_minutes", "every_15_minutes", "every_30_minutes", "hourly")
CRONS_SHORT = ("*/7 * * * *", "*/20 1-3 * * *", "30 * * * *", "0,30 */2 * * *", "13 0-4 * * *")
CRONS = ("30 2 * * *", "0 0 * * *", "15,45 1-3 * * *", "59 23 * * sun", "0 3 */5 * 1", "0 3 1,15 * MON", "@weekly")
CRONS_SPARSE = ("59 23 31 * *", "30 2 29 2 *", "0 2 8-14 3 */7", "@monthly", "@yearly", "0 1 1 */2 *")
RULES_SHORT = ("FREQ=MINUTELY;INTERVAL=40", "FREQ=HOURLY;INTERVAL=5", "FREQ=MINUTELY;INTERVAL=7;BYHOUR=1,2,3")
RULES = ("FREQ=DAILY", "FREQ=DAILY;INTERVAL=3;BYHOUR=1,2,3;BYMINUTE=0,30", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,WE")
RULES_SPARSE = (
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30",
    "FREQ=MONTHLY;BYDAY=2SU;COUNT=20",
)
_UNITS = ("daily", "weekly", "monthly", "yearly")
_TYPES = {
    "short": (*SHORT, "cron", "cron", "rrule"),
    "daily": ("daily", "daily", "weekly", "cron", "cron", "rrule", "once"),
    "sparse": ("monthly", "monthly", "yearly", "weekly", "cron", "rrule"),
}
_FROM_NOW = {"short": 60, "daily": 1500, "sparse": 20_000}


def schedule(chance: Random, now: datetime, density: str) -> Spec:
    """A schedule that begins about now. `density`: `short`, `daily` or `sparse`, by the usual gap between its instants."""
    kind = chance.choice(_TYPES[density])
    spec: Spec = {"type": kind, **_clocks(chance, density)}
    begins = now + timedelta(minutes=chance.randint(2, _FROM_NOW[density]))
    if kind == "cron":
        spec["expression"] = chance.choice({"short": CRONS_SHORT, "daily": CRONS, "sparse": CRONS_SPARSE}[density])
    elif kind == "rrule":
        spec["rule"] = chance.choice({"short": RULES_SHORT, "daily": RULES, "sparse": RULES_SPARSE}[density])
    if kind in ("rrule", "once", *_UNITS) or chance.random() < 0.5:
        spec["start"] = _start(chance, begins)
    if kind not in ("once", "rrule") and chance.random() < 0.15:
        spec["count"] = chance.randint(3, 200)
    elif kind != "once" and chance.random() < 0.1:
        spec["end"] = (begins + timedelta(days=chance.randint(2, 900))).strftime("%Y-%m-%dT%H:%M")
    return spec


def _clocks(chance: Random, density: str) -> Spec:
    """The clocks of one zone, or those of the job's targets."""
    if density != "short" and chance.random() < 0.2:
        return {"timezone_source": chance.choice(("site", "device"))}
    return {"timezone": chance.choice(ZONES)}


def _start(chance: Random, begins: datetime) -> str:
    """Often in the small hours, where clocks change."""
    if chance.random() < 0.6:
        begins = begins.replace(hour=chance.choice((0, 1, 2, 2, 3)), minute=chance.choice((0, 5, 15, 30, 45)))
        begins += timedelta(days=1)
    return begins.strftime("%Y-%m-%dT%H:%M")


def policies(chance: Random, spec: Spec) -> Spec:
    """Policies that a job with this schedule may have."""
    catch_ups = ["latest", "latest", "skip", "all"] + ["hold"] * ("timezone" in spec)
    chosen: Spec = {
        "catch_up": chance.choice(catch_ups),
        "overlap": chance.choice(("allow", "skip", "queue_one", "replace")),
        "overlap_scope": chance.choice(("device", "device", "job")),
    }
    if chance.random() < 0.4:
        chosen["catch_up_window_seconds"] = chance.choice((60, 900, 7200, 86_400, 604_800))
    return chosen
