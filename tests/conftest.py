"""What holds for every test: no property fails because the machine was busy, and an interrupt interrupts.

A shell has what it starts in the background ignore interrupts, and so all that the tests start.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("without a clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without a clock")
