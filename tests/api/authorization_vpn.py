"""The rows of the VPN in the authorization matrix."""

from tests.api.authorization_table import READ, SITE, P, Row
from tests.api.authorization_world import HIDDEN_NAME

_PEERS = "GET /api/vpn/peers"
ROWS = (
    Row("GET /api/vpn", (P.SERVICES_WRITE,), is_for_every_site=True),
    Row(_PEERS, READ, query=lambda _: {"limit": 500}),
    Row(_PEERS, READ, query=lambda _: {"q": HIDDEN_NAME}),
    Row(_PEERS, READ, SITE, query=lambda it: {"site_id": it.site_id}, is_in_path=False, unseen=200),
)
