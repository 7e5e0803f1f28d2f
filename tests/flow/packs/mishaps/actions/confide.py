"""Is told a secret and waits."""

import os
import time
from pathlib import Path

from st_ops.sdk import action


@action
def confide(password: str, began: str, until: str) -> int:
    """Hold it while somebody looks; answers how long it is."""
    assert os.environ["PASSWORD"] == password
    Path(began).touch()
    while not Path(until).exists():
        time.sleep(0.05)
    return len(password)
