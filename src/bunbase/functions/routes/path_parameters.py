"""The path parameters of Functions.

The patterns are only documentation: for a name without a match, the answer is 404.
"""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter

from bunbase.functions.versions.names import FUNCTION, VARIABLE
from bunbase.pkg.ids import ID

FunctionName = Annotated[
    str, PathParameter(description="The name of the function.", schema_extra={"pattern": f"^{FUNCTION.pattern}$"})
]
VariableName = Annotated[
    str, PathParameter(description="The name of the variable.", schema_extra={"pattern": f"^{VARIABLE.pattern}$"})
]
VersionNumber = Annotated[
    int, PathParameter(description="The number of the version.", schema_extra={"minimum": 1, "maximum": 2**31 - 1})
]
WalkId = Annotated[str, PathParameter(description="The id of the walk.", schema_extra={"pattern": ID})]
JobId = Annotated[str, PathParameter(description="The id of the job.", schema_extra={"pattern": ID})]
