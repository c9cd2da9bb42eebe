"""The part of WS-Management that shells are run by: what a message asks, and answers as Windows writes them."""

import base64
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_ACTIONS = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": _SHELL,
}
_ENVELOPE = " ".join(f'xmlns:{name}="{address}"' for name, address in _NAMES.items())
#: The fault of a Receive that has waited for its operation's time.
TIMED_OUT = 2150858793
ACCESS_DENIED = 5


@dataclass(frozen=True)
class Asked:
    """A message: what is asked, by its action's last word."""

    action: str
    message_id: str
    shell_id: str | None
    seconds: float
    body: ET.Element

    def text(self, path: str) -> str:
        return self.body.findtext(path, "", _NAMES)

    @property
    def command_id(self) -> str | None:
        found = [one.get("CommandId") for one in self.body.iter() if one.get("CommandId")]
        return found[0] if found else None

    @property
    def stdin(self) -> tuple[bytes, bool]:
        stream = self.body.find(".//rsp:Stream", _NAMES)
        assert stream is not None
        return base64.b64decode(stream.text or ""), stream.get("End", "").lower() == "true"


def read(message: bytes) -> Asked:
    root = ET.fromstring(message)
    body = root.find("s:Body", _NAMES)
    header = root.find("s:Header", _NAMES)
    assert body is not None
    assert header is not None
    selector = header.find(".//w:Selector[@Name='ShellId']", _NAMES)
    limit = re.fullmatch(r"PT([\d.]+)S", header.findtext("w:OperationTimeout", "PT20S", _NAMES))
    assert limit is not None
    return Asked(
        action=header.findtext("a:Action", "", _NAMES).rpartition("/")[2],
        message_id=header.findtext("a:MessageID", "", _NAMES),
        shell_id=None if selector is None else selector.text,
        seconds=float(limit[1]),
        body=body,
    )


def _answer(asked: Asked | None, action: str, body: str) -> bytes:
    relates = f"<a:RelatesTo>{asked.message_id}</a:RelatesTo>" if asked else ""
    return (
        f"<s:Envelope {_ENVELOPE}><s:Header><a:Action>{action}</a:Action>{relates}"
        f"<a:MessageID>uuid:{uuid.uuid4()}</a:MessageID></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def created(asked: Asked, shell_id: str) -> bytes:
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
    inner = f"<a:ReferenceParameters>{selector}</a:ReferenceParameters>"
    made = f'<x:ResourceCreated xmlns:x="{_ACTIONS}">{inner}</x:ResourceCreated>'
    made += f"<rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId></rsp:Shell>"
    return _answer(asked, f"{_ACTIONS}/CreateResponse", made)


def begun(asked: Asked, command_id: str) -> bytes:
    inner = f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"
    return _answer(asked, f"{_SHELL}/CommandResponse", inner)


def received(asked: Asked, pieces: Sequence[tuple[str, bytes]], code: int | None) -> bytes:
    """Pieces of the streams; with an exit code, the command is done."""
    mark = f'CommandId="{asked.command_id}"'
    streams = "".join(
        f'<rsp:Stream Name="{name}" {mark}>{base64.b64encode(data).decode()}</rsp:Stream>' for name, data in pieces
    )
    state = "Running" if code is None else "Done"
    end = "" if code is None else f"<rsp:ExitCode>{code}</rsp:ExitCode>"
    told = f'<rsp:CommandState {mark} State="{_SHELL}/CommandState/{state}">{end}</rsp:CommandState>'
    return _answer(asked, f"{_SHELL}/ReceiveResponse", f"<rsp:ReceiveResponse>{streams}{told}</rsp:ReceiveResponse>")


def done(asked: Asked) -> bytes:
    """The answer to what has no answer but that it was done."""
    return _answer(asked, f"{_SHELL}/{asked.action}Response", "")


def fault(asked: Asked | None, code: int, reason: str) -> bytes:
    detail = (
        '<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{code}"><f:Message>{escape(reason)}</f:Message></f:WSManFault></s:Detail>'
    )
    said = f'<s:Reason><s:Text xml:lang="en-US">{escape(reason)}</s:Text></s:Reason>'
    value = "<s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:Fault</s:Value></s:Subcode></s:Code>"
    return _answer(
        asked, "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", f"<s:Fault>{value}{said}{detail}</s:Fault>"
    )
