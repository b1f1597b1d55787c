"""Settings of every test: no property fails on a busy machine, and an interrupt always works.

A shell lets background processes ignore interrupts, and with them all that the tests start.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("without a clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without a clock")
