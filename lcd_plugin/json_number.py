"""Numbers of documents in JSON."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator

# JSON has no NaN: what is not known is written as null, and read back as what it was.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
