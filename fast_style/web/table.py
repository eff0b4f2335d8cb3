"""The interface as a table: what may be asked, with which values, and what is answered.

Requests are checked against it, routes are made of it, and the document at /api/openapi.json is written from it.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fast_style.web.refusal import RefusedError

Handler = Callable[[Request], Awaitable[Response]]
MUST = object()  # stands for a value that has to be given
MAX_JSON = 64_000  # bytes
SLOWEST = 30.0  # seconds in which they arrive
TYPES = {"string": str, "number": (int, float), "boolean": bool, "object": dict}


@dataclass(frozen=True)
class Field:
    """A value of a request.

    Attributes:
        name: its key.
        kind: `string`, `number`, `boolean` or `object`.
        about: a sentence.
        default: what stands for it where it is left out or null; `MUST`: nothing does.
        least: smallest number.
        most: largest number; of a string, the most letters.
        choices: strings, if only these are taken.
        fields: of an object, its values.
    """

    name: str
    kind: str
    about: str
    default: Any = MUST
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    fields: tuple["Field", ...] = ()

    def read(self, given: Mapping[str, Any]) -> Any:
        """Take the value out of a request.

        Raises:
            RefusedError: with 422 if it is missing, or another than it may be.
        """
        value = given.get(self.name)
        if value is None:
            if self.default is MUST:
                raise RefusedError(422, f"{self.name} is missing: {self.about}")
            return self.default
        if not isinstance(value, TYPES[self.kind]) or (self.kind == "number" and isinstance(value, bool)):  # type: ignore[arg-type]
            raise RefusedError(422, f"{self.name} must be {self._wanted}, got {json.dumps(value)[:60]}")
        if self.kind == "number" and not self._has(value):
            raise RefusedError(422, f"{self.name} must be {self._wanted}, got {str(value)[:60]}")
        if self.kind == "string" and ((self.choices and value not in self.choices) or len(value) > (self.most or 1000)):
            raise RefusedError(422, f"{self.name} must be {self._wanted}, got {json.dumps(value)[:60]}")
        return read_fields(value, self.fields) if self.kind == "object" else value

    def _has(self, value: float) -> bool:
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        return -math.inf < value < math.inf and least <= value <= most

    @property
    def _wanted(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.kind == "number" and self.least is not None and self.most is not None:
            return f"a number from {self.least:g} to {self.most:g}"
        if self.kind == "string" and self.most is not None:
            return f"a text of at most {self.most:g} letters"
        return {"number": "a number", "string": "a text", "boolean": "true or false", "object": "an object"}[self.kind]

    def schema(self) -> dict[str, Any]:
        """Describe the value in JSON Schema."""
        if self.kind == "object":
            return object_schema(self.fields) | {"description": self.about}
        found: dict[str, Any] = {"type": self.kind, "description": self.about}
        if self.kind == "number":
            found |= {"minimum": self.least, "maximum": self.most}
        elif self.kind == "string":
            found |= {"enum": list(self.choices) or None, "maxLength": self.most}
        if self.default is not MUST:
            found["default"] = self.default
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class Endpoint:
    """A line of the table.

    Attributes:
        method: of HTTP.
        path: with {id} where a name of the server's stands.
        handler: what answers.
        about: a sentence.
        answer: what is answered, in words.
        kind: media type of the answer.
        fields: values in the JSON of the request.
        query: values in the address.
        file: whether the body of the request is a file as it is.
        status: of an answer where all is well.
        refusals: other statuses that are to be expected.
    """

    method: str
    path: str
    handler: Handler
    about: str
    answer: str
    kind: str = "application/json"
    fields: tuple[Field, ...] = ()
    query: tuple[Field, ...] = ()
    file: bool = False
    status: int = 200
    refusals: tuple[int, ...] = ()


def read_fields(given: object, fields: Sequence[Field]) -> dict[str, Any]:
    """Take the values of an object that a request holds.

    Raises:
        RefusedError: with 422 if one is missing, wrong, or of a name that is not known.
    """
    if not isinstance(given, dict):
        raise RefusedError(422, "the request must hold a JSON object")
    if strange := given.keys() - {field.name for field in fields}:
        known = ", ".join(field.name for field in fields)
        raise RefusedError(422, f"there is no value {min(strange)!r}: there are {known}")
    return {field.name: field.read(given) for field in fields}


async def read_json(request: Request, fields: Sequence[Field]) -> dict[str, Any]:
    """Take the values of the JSON object that a request consists of.

    Raises:
        RefusedError: with 413 if it is long, 415 if it is not called JSON, 408 if it does not arrive in time, 400 if it
            breaks off, else as `read_fields`.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise RefusedError(415, "the request must be JSON: send content-type application/json")
    body = b""
    try:
        async with asyncio.timeout(SLOWEST):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_JSON:
                    raise RefusedError(413, f"the request has more than {MAX_JSON} bytes")
    except TimeoutError:
        raise RefusedError(408, "the request stopped on its way: send it again") from None
    except ClientDisconnect:
        raise RefusedError(400, "the request broke off on its way: send it again") from None
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(422, "the request is not JSON") from None
    return read_fields(given, fields)


def object_schema(fields: Sequence[Field]) -> dict[str, Any]:
    """Describe an object in JSON Schema."""
    required = [field.name for field in fields if field.default is MUST]
    schema = {
        "type": "object",
        "properties": {field.name: field.schema() for field in fields},
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})
