"""HTTP APIs made from an OpenAPI document, as SAM's event `HttpApi` writes one into its template.

MiniStack makes the API and leaves the document unread, so that no route answers. Routes, integrations and authorizers
are made here as ImportApi makes them.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.documents import Document
from local.ministack.cors import as_the_api_spells

_API = "AWS::ApiGatewayV2::Api"
_ANY, _CORS = "x-amazon-apigateway-any-method", "x-amazon-apigateway-cors"
_INTEGRATION, _AUTHORIZER = "x-amazon-apigateway-integration", "x-amazon-apigateway-authorizer"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_FROM_BODY = "fromBody"
"""Marks what came from the document, which an update of it replaces."""


def install() -> None:
    """Read the document of an API that a stack makes or changes."""
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS
    handlers[_API] = {
        **handlers[_API],
        "create": _with_routes(handlers[_API]["create"], 1),
        "update": _with_routes(handlers[_API]["update"], 2),
    }


def _with_routes(provision: Callable[..., Any], place: int) -> Callable[..., Any]:
    def provisioned(*args: Any, **options: Any) -> Any:
        body = args[place].get("Body")
        if not isinstance(body, Mapping):
            return provision(*args, **options)
        properties = {"Name": (body.get("info") or {}).get("title") or "unnamed", **args[place]}
        if _CORS in body and not properties.get("CorsConfiguration"):
            properties["CorsConfiguration"] = as_the_api_spells(body[_CORS])
        made = provision(*args[:place], properties, *args[place + 1 :], **options)
        imported(made[0], body)
        return made

    return provisioned


def imported(api: str, body: Mapping[str, Any]) -> None:
    """Replaces what an earlier document made of an API by what this one says."""
    from ministack.services import apigateway

    stores = apigateway._routes, apigateway._integrations, apigateway._authorizers
    for store in stores:
        store[api] = {key: record for key, record in (store.get(api) or {}).items() if not record.get(_FROM_BODY)}
    schemes = dict(_schemes(body))
    authorizers = {name: _authorizer(api, name, scheme) for name, scheme in schemes.items()}
    kinds = {name: str(scheme[_AUTHORIZER].get("type", "jwt")).upper() for name, scheme in schemes.items()}
    for path, method, operation in _operations(body):
        request: Document = {"routeKey": "$default" if path == "/$default" else f"{method} {path}"}
        if _INTEGRATION in operation:
            request["target"] = f"integrations/{_integration(api, operation[_INTEGRATION])}"
        request |= _authorization(operation.get("security", body.get("security")) or [], authorizers, kinds)
        _mark(apigateway._routes, api, "routeId", apigateway._create_route(api, request))


def _operations(body: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, operations in (body.get("paths") or {}).items():
        for name, operation in operations.items():
            if name == _ANY:
                yield path, "ANY", operation
            elif name.lower() in _METHODS:
                yield path, name.upper(), operation


def _integration(api: str, settings: Mapping[str, Any]) -> str:
    from ministack.services import apigateway

    request = {
        "integrationType": str(settings.get("type", "aws_proxy")).upper(),
        "integrationUri": settings.get("uri", ""),
        "integrationMethod": settings.get("httpMethod", "POST"),
        "payloadFormatVersion": str(settings.get("payloadFormatVersion", "2.0")),
        "timeoutInMillis": int(settings.get("timeoutInMillis", 30000)),
        "requestParameters": settings.get("requestParameters") or {},
    }
    return _mark(apigateway._integrations, api, "integrationId", apigateway._create_integration(api, request))


def _schemes(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    schemes = (body.get("components") or {}).get("securitySchemes") or {}
    yield from ((name, scheme) for name, scheme in schemes.items() if _AUTHORIZER in scheme)


def _authorizer(api: str, name: str, scheme: Mapping[str, Any]) -> str:
    from ministack.services import apigateway

    settings = scheme[_AUTHORIZER]
    source = settings.get("identitySource") or "$request.header.Authorization"
    token = settings.get("jwtConfiguration") or {}
    audience = token.get("audience") or []
    request: Document = {
        "name": name,
        "authorizerType": str(settings.get("type", "jwt")).upper(),
        "identitySource": source if isinstance(source, list) else [part.strip() for part in source.split(",")],
        "jwtConfiguration": {**token, "audience": audience if isinstance(audience, list) else [audience]},
        "authorizerUri": settings.get("authorizerUri", ""),
        "authorizerPayloadFormatVersion": str(settings.get("authorizerPayloadFormatVersion", "2.0")),
        "enableSimpleResponses": bool(settings.get("enableSimpleResponses")),
    }
    if "authorizerResultTtlInSeconds" in settings:
        request["authorizerResultTtlInSeconds"] = int(settings["authorizerResultTtlInSeconds"])
    return _mark(apigateway._authorizers, api, "authorizerId", apigateway._create_authorizer(api, request))


def _authorization(
    security: list[Mapping[str, Any]], authorizers: Mapping[str, str], kinds: Mapping[str, str]
) -> Document:
    """Returns how a route is protected: by the first scheme of its `security` that is known here."""
    for requirement in security:
        for name, scopes in requirement.items():
            if name not in authorizers:
                continue
            authorization = "CUSTOM" if kinds[name] == "REQUEST" else "JWT"
            return {
                "authorizationType": authorization,
                "authorizerId": authorizers[name],
                **({"authorizationScopes": list(scopes)} if scopes else {}),
            }
        if "AWS_IAM" in requirement or "sigv4" in requirement:
            return {"authorizationType": "AWS_IAM"}
    return {}


def _mark(store: Any, api: str, name: str, created: tuple[int, Any, bytes]) -> str:

    status, _, body = created
    if status >= 400:
        raise ValueError(body.decode())
    key: str = json.loads(body)[name]
    store[api][key][_FROM_BODY] = True
    return key
