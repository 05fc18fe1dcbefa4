"""What is written in one turn of the event loop leaves at once, and nothing stays behind."""

import asyncio
import socket
import sys

import pytest

from pipelined_postgres.coalescing import Coalescing


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has TCP_CORK")
async def test_what_is_written_in_one_turn_arrives_in_one_piece() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender = socket.create_connection(listening.getsockname())
        receiver, _ = listening.accept()
    with sender, receiver:
        receiver.setblocking(False)
        coalescing = Coalescing(loop, sender.fileno())
        for piece in (b"a", b"b", b"c"):
            coalescing.hold()
            sender.sendall(piece)
        assert coalescing.holds
        with pytest.raises(BlockingIOError):
            receiver.recv(10)
        assert await loop.sock_recv(receiver, 10) == b"abc"
        assert not coalescing.holds
        coalescing.close()
        sender.sendall(b"d")
        assert await loop.sock_recv(receiver, 10) == b"d"


async def test_a_unix_socket_holds_nothing() -> None:
    sender, receiver = socket.socketpair()
    with sender, receiver:
        coalescing = Coalescing(asyncio.get_running_loop(), sender.fileno())
        coalescing.hold()
        assert not coalescing.holds
