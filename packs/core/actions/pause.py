from __future__ import annotations

import time
from random import randint

from st_ops.sdk import action


@action
def pause(max_pause: int, random: bool = False) -> int:
    """Wait, and say how many seconds."""
    seconds = randint(1, max_pause) if random else max_pause
    time.sleep(seconds)
    return seconds
