"""The JSON Schemas of our files, for editors; the loader checks more than a schema can say."""

from __future__ import annotations

from typing import Any

from lab.spec.endpoint_model import EndpointSpec
from lab.spec.model import LabSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of file format 1."""
    return {"$schema": DIALECT, **LabSpec.model_json_schema(), "title": "vpnlab topology"}


def endpoint_json_schema() -> dict[str, Any]:
    """The schema of the file of an endpoint alone, format 1."""
    return {"$schema": DIALECT, **EndpointSpec.model_json_schema(), "title": "vpnlab endpoint"}
