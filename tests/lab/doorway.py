"""A port of this machine that leads to a port of a host in a lab, so that a browser here can be used there."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.host import Host
from watchbill.kit.processes import tied_to_parent


@contextmanager
def doorway(host: Host, address: str, port: int) -> Iterator[int]:
    """The port of this machine, on loopback, for the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        inside = ["nsenter", f"--target={host.init}", "-n", "--", sys.executable, "-m", "tests.lab.doorway"]
        words = [*inside, str(listening.fileno()), address, str(port)]
        process = subprocess.Popen(
            tied_to_parent(words, signal.SIGKILL), pass_fds=[listening.fileno()], cwd=Path(__file__).parents[2]
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.kill()
            process.wait()


async def _serve(listening: socket.socket, address: str, port: int) -> None:
    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(address, port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, there_writer))
            group.create_task(_pass_on(there_reader, writer))

    server = await asyncio.start_server(through, sock=listening)
    await server.serve_forever()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # whoever has gone has said all
    finally:
        writer.close()


if __name__ == "__main__":
    # The socket is of the network that it was made in; what is connected from here on is of the host's.
    number, to, at = sys.argv[1:]
    asyncio.run(_serve(socket.socket(fileno=int(number)), to, int(at)))
