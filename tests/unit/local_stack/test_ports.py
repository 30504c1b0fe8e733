import socket
from collections.abc import Iterator

import pytest

from local_stack.ports import LOOPBACK, Ports, is_free


@pytest.fixture
def ports() -> Iterator[Ports]:
    ports = Ports()
    yield ports
    ports.release()


def test_the_preferred_port_is_taken_when_it_is_free(ports: Ports) -> None:
    free = ports.choose()
    ports.release()

    assert ports.choose(free) == free


def test_a_port_that_was_chosen_is_not_chosen_again_though_nobody_listens_there_yet(ports: Ports) -> None:
    other = Ports()
    chosen = other.choose()

    assert is_free(chosen)
    assert ports.choose(chosen) != chosen
    other.release()


def test_a_port_in_use_is_left_alone(ports: Ports) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]

        assert not is_free(taken)
        assert ports.choose(taken) != taken


def test_a_server_on_all_addresses_counts_as_using_the_port() -> None:
    with socket.create_server(("", 0)) as other:
        assert not is_free(other.getsockname()[1])
