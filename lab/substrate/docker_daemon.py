"""Docker's daemon: reach it, and say in words of the user's what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from lab.errors import HostCannot
from lab.substrate.docker_address import address, knock, unreachable

API_VERSION = "1.44"
"""Docker 25: a container is created with all its networks, and with a MAC address in each."""
ANSWER_S = 120
"""Seconds for one request (chosen: a container takes 7 s to start in a busy guest, and several start at once)."""


def reach() -> docker.DockerClient:
    """A client of the daemon that DOCKER_HOST names, else of the local one. Raises HostCannot."""
    knock()
    with in_words("Docker"):
        client = docker.DockerClient(base_url=address(), version=API_VERSION, timeout=ANSWER_S)
        client.ping()
        return client


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn what the SDK raises while the block runs into HostCannot; `what` names what was tried."""
    try:
        yield
    except ImageNotFound as error:
        raise HostCannot(
            f"{what}: the image is missing: {error.explanation}",
            mend="`make container-image` builds it from this checkout",
        ) from error
    except APIError as error:
        raise HostCannot(f"{what}: Docker says: {error.explanation or error}", mend=_after(error)) from error
    except (DockerException, RequestException) as error:
        raise unreachable(str(error)) from error


def _after(error: APIError) -> str:
    if "client version" in str(error.explanation):
        return f"use Docker 25 or newer (API {API_VERSION})"
    return "see `docker ps -a` and `docker network ls`, or use another --substrate"
