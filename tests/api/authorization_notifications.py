"""The rows of channels, rules and notifications in the authorization matrix, and all rows together."""

from tests.api.authorization_table import JOB, READ, SITE, WORK, Body, P, Row
from tests.api.authorization_table import ROWS as OTHERS
from tests.api.authorization_world import HIDDEN_NAME, channel_body, rule_body

_CHANNELS, _RULES, _TELL = "/api/notification_channels", "/api/notification_rules", (P.NOTIFICATIONS_WRITE,)
_LEAD_OUT = (P.CHANNELS_WRITE,)
_RULE_OF: Body = lambda it: rule_body(it.channel_id)  # noqa: E731 - one of many bodies
_CHANNEL_OF: Body = lambda _: channel_body("Fresh", [])  # noqa: E731 - one of many bodies
NOTIFICATIONS = (
    Row(f"GET {_CHANNELS}", READ, query=lambda _: {"limit": 500}),
    Row(f"GET {_CHANNELS}", READ, query=lambda _: {"q": HIDDEN_NAME, "archived": False}),
    Row(f"POST {_CHANNELS}", _LEAD_OUT, body=_CHANNEL_OF, ok=201, is_for_every_site=True),
    Row(f"GET {_CHANNELS}/{{channel_id}}", READ, WORK),
    Row(f"PUT {_CHANNELS}/{{channel_id}}", _LEAD_OUT, WORK, _CHANNEL_OF),
    Row(f"POST {_CHANNELS}/{{channel_id}}/archive", _LEAD_OUT, WORK),
    Row(f"POST {_CHANNELS}/{{channel_id}}/test", _LEAD_OUT, WORK),
    Row(f"GET {_RULES}", READ, query=lambda _: {"limit": 500}),
    Row(f"POST {_RULES}", _TELL, body=_RULE_OF, ok=201, is_for_every_site=True),
    Row(
        f"POST {_RULES}",
        _TELL,
        SITE,
        lambda it: {**rule_body(it.channel_id), "site_id": it.site_id},
        ok=201,
        is_in_path=False,
        unseen=422,
    ),
    Row(f"GET {_RULES}/{{rule_id}}", READ, WORK),
    Row(f"PUT {_RULES}/{{rule_id}}", _TELL, WORK, _RULE_OF, spans=403),
    Row(f"POST {_RULES}/{{rule_id}}/archive", _TELL, WORK, spans=403),
    Row(f"GET {JOB}/notifications", READ, WORK),
    Row(f"POST {JOB}/notifications", _TELL, WORK, _RULE_OF, ok=201, spans=403),
    Row(f"POST {JOB}/notifications", _TELL, WORK, _RULE_OF, ok=201, is_in_path=False, unseen=422),
    Row("GET /api/notifications", READ, query=lambda _: {"limit": 500}),
    Row("GET /api/notifications", READ, WORK, query=lambda it: {"job_id": it.job_id}, is_in_path=False, unseen=200),
    Row("GET /api/notifications/{notification_id}", READ, WORK),
    Row("POST /api/notifications/{notification_id}/retry", _TELL, WORK, ok=409),
    Row("POST /api/notifications/retry", _TELL, body=lambda _: {"ids": [1]}),
    Row(
        "POST /api/notifications/retry",
        _TELL,
        WORK,
        lambda it: {"channel_id": it.channel_id},
        is_in_path=False,
        unseen=404,
    ),
    Row("GET /api/outbound_heartbeat", READ),
)
ROWS = (*OTHERS, *NOTIFICATIONS)
