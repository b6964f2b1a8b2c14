"""Ports that no process has had: a node that takes over those of a killed one may be left unheard.

Whoever talked to the killed node goes on writing to its shared-memory ports until its lease ends, 20 s later, and sets
them up anew while the next node opens the same ones (eProsima/Fast-DDS, pull request 4737). Fast DDS gives a process
the lowest ports that are free, so a node that is started again at once gets those. Ours takes others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from .share import fastdds_profile

PEERS = 32
"""participants of a machine that are looked for without multicast, so ours must be among them"""
_SHARED = Path("/dev/shm")
_PLACE = "<rtps>"


@contextmanager
def fresh_ports(environment: MutableMapping[str, str], shared: Path = _SHARED) -> Iterator[None]:
    """Inside, Fast DDS finds our profile with a participant number of this process's own. One of the user's is kept.

    It is read when the first node is made.
    """
    variable, profile = fastdds_profile()
    if environment.setdefault(variable, profile) != profile:
        yield
        return
    unused = [number for number in range(PEERS) if not _left_behind(number, environment, shared)]
    try:
        own = _with_number(Path(profile).read_text(), random.SystemRandom().choice(unused or range(PEERS)))
    except OSError:  # the disk is full: the lowest ports have to do
        yield
        return
    environment[variable] = str(own)
    try:
        yield
    finally:
        environment[variable] = profile
        own.unlink(missing_ok=True)


def _with_number(profile: str, number: int) -> Path:
    """A file with this profile, for a participant of this number. Raises OSError where there is no room for it."""
    with NamedTemporaryFile("w", prefix="getok-node-", suffix=".xml", delete=False) as file:
        file.write(profile.replace(_PLACE, f"{_PLACE}\n        <participantID>{number}</participantID>"))
    return Path(file.name)


def _left_behind(number: int, environment: Mapping[str, str], shared: Path) -> bool:
    """Whether shared memory holds anything of the user data's port of this participant, by DDSI-RTPS 2.5, 9.6.2.3."""
    domain = environment.get("ROS_DOMAIN_ID", "")
    port = 7400 + 250 * (int(domain) if domain.isdecimal() else 0) + 11 + 2 * number
    return any(shared.glob(f"*_port{port}*"))
