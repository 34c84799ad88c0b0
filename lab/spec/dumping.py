"""What users write, from pydantic's models back to the mappings and lists of a file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError


def dumped(model: BaseModel) -> dict[str, Any]:
    """A model as JSON's own types.

    pydantic makes an error of its own of whatever happens while it calls Python for an address, also of an interrupt
    (pydantic-core 2); here it is an interrupt again.
    """
    try:
        return model.model_dump(mode="json")
    except PydanticSerializationError as error:
        if KeyboardInterrupt.__name__ in str(error):
            raise KeyboardInterrupt from error
        raise
