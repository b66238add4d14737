"""A resource type of CloudFormation's, looked at before MiniStack's handler makes or changes one."""

from collections.abc import Callable
from typing import Any

from local.documents import Document

Look = Callable[[Document], Document]
"""Returns the properties to go on with; raises ValueError, whose text fails the stack, where they are refused."""

_PROPERTIES = {"create": 1, "update": 2}
"""Which argument of a handler has the (new) properties."""


def look_at(kind: str, look: Look) -> None:
    """Has `look` see the properties of every resource of a kind first."""
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS[kind]
    looking = {name: _looking(handler[name], place, look) for name, place in _PROPERTIES.items()}
    provisioners._RESOURCE_HANDLERS[kind] = {**handler, **looking}


def _looking(provision: Callable[..., Any], place: int, look: Look) -> Callable[..., Any]:
    def provision_looked_at(*args: Any, **options: Any) -> Any:
        return provision(*args[:place], look(args[place]), *args[place + 1 :], **options)

    return provision_looked_at
