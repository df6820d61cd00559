"""Whether a gateway answers for a home."""

import socket
import threading
from pathlib import Path

import pytest

from carapax.config import Home
from carapax.doctor.running import Announced, announced, answers, is_silent


def test_a_run_file_says_where_the_gateway_is_if_it_can_be_read(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path)
    assert announced(home) is None
    home.run_file.parent.mkdir()
    home.run_file.write_text("{")
    assert announced(home) is None
    home.run_file.write_text('{"url": "http://127.0.0.1:1", "pid": 7, "token": "x", "version": "1"}')
    assert announced(home) == Announced("http://127.0.0.1:1", 7)


def test_only_where_somebody_listens_there_is_an_answer() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert not answers(f"http://127.0.0.1:{port}")
        server.listen()
        assert answers(f"http://127.0.0.1:{port}")
    assert not answers("http://[")


@pytest.mark.parametrize("said", [b"HTTP/1.1 401 Unauthorized\r\n\r\n", b""])
def test_who_listens_and_hangs_up_without_a_word_is_silent(said: bytes) -> None:
    def hear(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=hear, args=(server,))
        thread.start()
        assert is_silent(f"http://127.0.0.1:{server.getsockname()[1]}") is not bool(said)
        thread.join()
