"""``python -m custody.cli``: the command line."""

import sys

from custody.cli import main

sys.exit(main())
