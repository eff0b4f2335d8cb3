"""The OpenAPI document of the interface, written from its table."""

import re
from collections.abc import Sequence
from typing import Any

from fast_style.web.table import MUST, Endpoint, object_schema

REASONS = {
    400: "the request broke off on its way",
    404: "there is nothing of this name, or no longer",
    408: "the request stopped on its way",
    409: "it is not in a state for that",
    413: "too large",
    415: "of a kind that is not read",
    422: "a value is wrong, or the file is damaged",
    429: "too many at once: try again after the seconds of Retry-After",
    507: "the disk is full",
}
ERROR = {"type": "object", "properties": {"error": {"type": "string", "description": "one sentence"}}}


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """Describe endpoints in OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    about = "What the page itself uses. With a token, send it as Authorization: Bearer TOKEN."
    return {
        "openapi": "3.1.0",
        "info": {"title": "fast_style", "version": version, "description": about},
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", endpoint.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    parameters += [
        {"name": field.name, "in": "query", "required": field.default is MUST, "schema": field.schema()}
        for field in endpoint.query
    ]
    operation: dict[str, Any] = {"summary": endpoint.about, "parameters": parameters}
    if endpoint.file:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    elif endpoint.fields:
        content = {"application/json": {"schema": object_schema(endpoint.fields)}}
        operation["requestBody"] = {"required": True, "content": content}
    answer = {"description": endpoint.answer, "content": {endpoint.kind: {}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    statuses = sorted({*endpoint.refusals, *((400, 408) if endpoint.fields else ())})
    refusals = {str(status): {"description": REASONS[status], "content": error} for status in statuses}
    operation["responses"] = {str(endpoint.status): answer, **refusals}
    return operation
