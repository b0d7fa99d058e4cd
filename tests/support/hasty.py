"""`pincrew` with the patience of minutes cut to seconds: what tests of silent peers start, before the command.

    python hasty.py PYTHON -P -m pincrew COMMAND...

A peer is silent after 6 s instead of 3 minutes, and curators look after their list each second. All else is as it is.
"""

from __future__ import annotations

import sys

from pincrew import limits

PATIENCE = {
    "ANNOUNCEMENT_TTL_S": 6.0,
    "ANNOUNCEMENT_INTERVAL_S": 1.5,
    "ANNOUNCEMENT_INTERVAL_S_MAX": 1.5,
    "ANNOUNCEMENT_LOOK_INTERVAL_S": 0.5,
    "ANNOUNCEMENTS_PASSED_ON_INTERVAL_S": 0.2,
    "ALLOCATION_LOOK_INTERVAL_S": 1.0,
}

if __name__ == "__main__":
    # Before anything else is imported that takes them over.
    for name, seconds in PATIENCE.items():
        assert hasattr(limits, name), name
        setattr(limits, name, seconds)
    sys.argv[1:] = sys.argv[5:]
    from pincrew.__main__ import main

    main()
