from __future__ import annotations

import uuid
from typing import Literal

from st_ops.sdk import action


@action
def make_uuid(uuid_type: Literal["uuid1", "uuid4"] = "uuid4") -> str:
    """Make a UUID."""
    return str(uuid.uuid1() if uuid_type == "uuid1" else uuid.uuid4())
