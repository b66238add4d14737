"""A resource that is a document under its name: made, described, listed and deleted the same way for every kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local.documents import Document
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import tags
from local.sagemaker.wire import listing
from local.sagemaker.wire.errors import ValidationException
from local.store import AlreadyThere


def _silent(_machine: Machine, _document: Document) -> None:
    return


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of such resources."""

    kind: str
    """As in the ARN; also the kind of its documents."""
    prefix: str
    """What its members and operations are named after: `EndpointConfig` -> EndpointConfigName, ListEndpointConfigs."""
    exists: str
    """AWS's words for a name that is taken; {arn} is put in."""
    missing: str
    """AWS's words for a name that is not there."""
    status: str = ""
    """The member that ListX's StatusEquals looks at."""
    ascending: bool = False
    """The order of its list where the request does not say one."""
    tell: Callable[[Machine, Document], None] = _silent
    """Adds the event of its creation or deletion, in the transaction."""

    @property
    def name(self) -> str:
        return f"{self.prefix}Name"

    @property
    def arn(self) -> str:
        return f"{self.prefix}Arn"

    def insert(self, machine: Machine, request: Document, members: Document) -> Document:
        """Stores the document of `members` and answers its ARN. Raises ValidationException where the name is taken."""
        name = request[self.name]
        arn = machine.arns.of(self.kind, name)
        document = {self.name: name, self.arn: arn, **members}
        try:
            with machine.store.transaction():
                machine.store.insert(self.kind, name, document)
                tags.add(machine, arn, request)
                self.tell(machine, document)
        except AlreadyThere as error:
            raise ValidationException(self.exists.format(arn=arn)) from error
        return {self.arn: arn}

    def find(self, machine: Machine, name: str) -> Document:
        """Reads the document. Raises ValidationException where there is none."""
        document = machine.store.get(self.kind, name)
        if document is None:
            raise ValidationException(self.missing.format(arn=machine.arns.of(self.kind, name)))
        return document

    def describe(self, machine: Machine, request: Document) -> Document:
        return self.find(machine, request[self.name])

    def listed(self, machine: Machine, request: Document) -> Document:
        return self.page(machine.store.find(self.kind), request)

    def page(self, documents: Sequence[Document], request: Document) -> Document:
        """Answers the page of `documents` that is asked for."""
        operation, ascending = f"List{self.prefix}s", self.ascending
        return listing.page(operation, documents, request, name=self.name, status=self.status, ascending=ascending)

    def delete(self, machine: Machine, request: Document) -> Document:
        with machine.store.transaction():
            document = self.find(machine, request[self.name])
            machine.store.delete(self.kind, document[self.name])
            self.tell(machine, document)
            tags.forget(machine, document[self.arn])
        return {}
