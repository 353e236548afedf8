"""Kinds of flags that several verbs have, with the bounds of their values."""

import math
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

Count = Annotated[int, Parameter(validator=Number(gte=1))]
"""How many: one or more."""

Weight = Annotated[float, Parameter(validator=Number(gte=0, lt=math.inf))]
"""How much: a number, none or more."""
