"""The tables of the VPN, as migrated."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import CIDR, INET, UUID

from watchbill.kit.db import metadata

vpn_hub = Table(
    "vpn_hub",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("private_key_sealed", Text, nullable=False),
    Column("subnet", CIDR, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("keepalive_seconds", Integer, nullable=False),
    Column("interface", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text),
    Column("host", Text, nullable=False),
    Column("heard_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

vpn_peers = Table(
    "vpn_peers",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("public_key", Text),
    Column("problem", Text),
    Column("address", INET),
    Column("open_until", DateTime(timezone=True)),
    Column("prepared_at", DateTime(timezone=True)),
    Column("reported_state", Text),
    Column("reported_detail", Text),
    Column("applied_key", Text),
    Column("handshake_at", DateTime(timezone=True)),
    Column("heard_at", DateTime(timezone=True)),
    Column("endpoint", Text),
    Column("rx_bytes", BigInteger, nullable=False),
    Column("tx_bytes", BigInteger, nullable=False),
    Column("released_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
