"""What a guest must do first after it was restored: take the time and fresh randomness.

A snapshot repeats its random numbers and its clock stands. The kernel is reseeded here (RNDADDENTROPY and
RNDRESEEDCRNG of random(4)), and so is Python's own generator in this process; processes forked later inherit both.
Libraries with generators of their own (OpenSSL) are not: what holds keys starts after this.
"""

from __future__ import annotations

import fcntl
import os
import random
import struct
import time

RNDADDENTROPY = 0x40085203  # linux/random.h: _IOW('R', 0x03, int[2])
RNDRESEEDCRNG = 0x5207  # linux/random.h: _IO('R', 0x07)


def wake(time_ns: int, entropy: bytes) -> None:
    """Set the clock to `time_ns` since the epoch and mix `entropy` (secret, fresh, 32 bytes or more) in. Needs root."""
    device = os.open("/dev/urandom", os.O_WRONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, RNDADDENTROPY, struct.pack("ii", 8 * len(entropy), len(entropy)) + entropy)
        fcntl.ioctl(device, RNDRESEEDCRNG)
    finally:
        os.close(device)
    random.seed()
    time.clock_settime_ns(time.CLOCK_REALTIME, time_ns)
