"""Model package groups, their policies, and the numbers of the versions that are registered in them."""

from local.documents import Document
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources.resource import Resource
from local.sagemaker.wire.arns import resource
from local.sagemaker.wire.errors import ValidationException
from local.store import now

PACKAGE = "model-package"
"""The kind of what stands in a group: `<group>/<version>`."""
_POLICY = "model-package-group-policy"

GROUP = Resource(
    "model-package-group",
    "ModelPackageGroup",
    "Model Package Group already exists: {arn}",
    "ModelPackageGroup {arn} does not exist.",
    ascending=True,
)


def create(machine: Machine, request: Document) -> Document:
    if "ManagedConfiguration" in request:
        raise ValidationException("ManagedConfiguration is not run by this local SageMaker.")
    created = now()
    document = {
        **request,
        "ModelPackageGroupStatus": "Completed",
        "CreationTime": created,
        "LastModifiedTime": created,
        "CreatedBy": {},
        "_LastVersion": 0,
    }
    return GROUP.insert(machine, request, document)


def describe(machine: Machine, request: Document) -> Document:
    """Finds the group by its name or its ARN."""
    return GROUP.find(machine, resource(request["ModelPackageGroupName"]))


def listed(machine: Machine, request: Document) -> Document:
    """Lists the groups. There is one account: none of its groups is shared by another."""
    others = request.get("CrossAccountFilterOption") == "CrossAccount"
    return GROUP.page([] if others else machine.store.find(GROUP.kind), request)


def delete(machine: Machine, request: Document) -> Document:
    with machine.store.transaction():
        name = describe(machine, request)["ModelPackageGroupName"]
        if machine.store.items(PACKAGE, f"{name}/", limit=1):
            raise ValidationException(f"Model Package Group {name} still has model packages; delete them first.")
        machine.store.delete(_POLICY, name)
        return GROUP.delete(machine, {"ModelPackageGroupName": name})


def put_policy(machine: Machine, request: Document) -> Document:
    """Keeps the policy to answer it: whoever reaches the local endpoint may do everything."""
    group = describe(machine, request)
    machine.store.put(_POLICY, group["ModelPackageGroupName"], {"ResourcePolicy": request["ResourcePolicy"]})
    return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}


def get_policy(machine: Machine, request: Document) -> Document:
    group = describe(machine, request)
    policy = machine.store.get(_POLICY, group["ModelPackageGroupName"])
    if policy is None:
        raise ValidationException(f"Cannot find resource policy for: {group['ModelPackageGroupArn']}")
    return policy


def delete_policy(machine: Machine, request: Document) -> Document:
    get_policy(machine, request)
    machine.store.delete(_POLICY, resource(request["ModelPackageGroupName"]))
    return {}


def take_version(machine: Machine, name_or_arn: str) -> tuple[str, int]:
    """Answers the group's name and the number of its next version; call in the transaction that registers that."""
    group = describe(machine, {"ModelPackageGroupName": name_or_arn})
    name, version = group["ModelPackageGroupName"], group["_LastVersion"] + 1
    machine.store.put(GROUP.kind, name, {**group, "_LastVersion": version})
    return name, version


def exists(machine: Machine, name: str) -> bool:
    return machine.store.get(GROUP.kind, resource(name)) is not None
