"""The OpenAPI 3.1 page, made from the table of operations."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from carapax.api.operation import Operation
from carapax.configdoc import keys
from carapax.gateway.errors import Problem
from carapax.gateway.responses import PROBLEM_JSON
from carapax.redaction import Secret
from carapax.version import __version__

_REF = "#/components/schemas/{name}"
_ALWAYS = (400, 401, 403, 408, 413, 415, 429, 503, 507)
_STREAMS = {"session.events": ("text/event-stream",), "session.export": ("application/x-ndjson",), "file.get": ("*/*",)}
_COOKIE = "What a browser gets that signs in; over https it is called __Host-carapax-PORT."
Schema = dict[str, Any]


def document(operations: Mapping[str, Operation]) -> bytes:
    """The page as JSON."""
    served = [operation for operation in operations.values() if operation.paths]
    types = _types(served)
    shown, components = msgspec.json.schema_components(types, schema_hook=_secret, ref_template=_REF)
    schemas = dict(zip(types, shown, strict=True))
    for kind in types:
        _describe_fields(kind, _resolve(schemas[kind], components))
    paths: dict[str, Schema] = {}
    for operation in served:
        for index, path in enumerate(operation.paths):
            item = _operation(operation, path, components, schemas)
            item["operationId"] = operation.name if index == 0 else f"{operation.name}.{index + 1}"
            paths.setdefault(path, {})[operation.method.lower()] = item
    page = {
        "openapi": "3.1.0",
        "info": {
            "title": "Carapax",
            "version": __version__,
            "description": "Agents behind one door. The same operations are served as JSON-RPC 2.0 at /rpc and /ws.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "carapax-PORT", "description": _COOKIE},
            },
        },
    }
    return msgspec.json.encode(page)


def _types(operations: list[Operation]) -> list[type[Struct]]:
    found: dict[type[Struct], None] = {Problem: None}
    for operation in operations:
        found[operation.params] = found[operation.result] = None
    return list(found)


def _operation(operation: Operation, path: str, components: Schema, schemas: Mapping[type, Schema]) -> Schema:
    in_path = re.findall(r"{(\w+)}", path)
    fields = _resolve(schemas[operation.params], components)
    item: Schema = {
        "summary": operation.summary.split("\n")[0],
        "description": f"{operation.summary}\n\nNeeds the scope `{operation.scope}`.",
        "tags": [operation.name.partition(".")[0]],
        "parameters": list(_parameters(operation, fields, in_path)),
        "responses": _responses(operation, schemas),
    }
    if operation.method != "GET":
        item["requestBody"] = _body(fields, in_path)
    if operation.paths == ("/health",):
        item["security"] = []
    return item


def _parameters(operation: Operation, fields: Schema, in_path: list[str]) -> Iterator[Schema]:
    for name, schema in fields.get("properties", {}).items():
        where = "path" if name in in_path else "query"
        if where == "query" and operation.method != "GET":
            continue
        required = where == "path" or name in fields.get("required", ())
        shape = _path_schema(schema) if where == "path" else schema
        yield {"name": name, "in": where, "required": required, "schema": shape}


def _path_schema(schema: Schema) -> Schema:
    """In a path nothing is empty."""
    return {**{key: value for key, value in schema.items() if key != "default"}, "minLength": 1}


def _body(fields: Schema, in_path: list[str]) -> Schema:
    left = {name: schema for name, schema in fields.get("properties", {}).items() if name not in in_path}
    required = [name for name in fields.get("required", ()) if name not in in_path]
    schema: Schema = {"type": "object", "properties": left, "additionalProperties": False}
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _responses(operation: Operation, schemas: Mapping[type, Schema]) -> Schema:
    answers: Schema = {
        str(operation.status): {
            "description": HTTPStatus(operation.status).phrase,
            "content": {"application/json": {"schema": schemas[operation.result]}},
        }
    }
    for kind in _STREAMS.get(operation.name, ()):
        answers["200"]["content"][kind] = {"schema": {"type": "string"}}
    for status in sorted({*_ALWAYS, *operation.raises}):
        answers[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": schemas[Problem]}},
        }
    return answers


def _resolve(schema: Schema, components: Schema) -> Schema:
    reference = schema.get("$ref")
    return schema if reference is None else components[reference.rpartition("/")[2]]


def _secret(kind: type) -> Schema:
    """A secret is only ever sent to the gateway."""
    if kind is not Secret:
        raise NotImplementedError(kind)
    return {"type": "string", "format": "password", "writeOnly": True, "pattern": "^[ -~]*$"}


def _describe_fields(kind: type[Struct], schema: Schema) -> None:
    """Give each property the line of the type's docstring that tells of it."""
    for key in keys(kind):
        if key.meaning:
            schema["properties"][key.name]["description"] = key.meaning
