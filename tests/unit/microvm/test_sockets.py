import pytest

from lab.substrate.microvm import sockets


def test_a_socket_under_a_path_of_any_length_is_reached(tmp_path):
    directory = tmp_path / ("long" * 40) / "lab"
    directory.mkdir(parents=True)
    with sockets.listen(directory, "s.sock") as listener, sockets.connect(directory, "s.sock", timeout_s=5) as client:
        server, _ = listener.accept()
        with server:
            client.sendall(b"here")
            assert server.recv(10) == b"here"


def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path):
    sockets.listen(tmp_path, "s.sock").close()
    with pytest.raises(ConnectionRefusedError):
        sockets.connect(tmp_path, "s.sock")
    sockets.listen(tmp_path, "s.sock").close()


@pytest.mark.parametrize("name", ["s.sock", "no/s.sock"])
def test_nobody_there_is_an_error(tmp_path, name):
    with pytest.raises(OSError, match="No such file"):
        sockets.connect(tmp_path, name)
