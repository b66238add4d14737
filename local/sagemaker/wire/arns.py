"""ARNs of one account, region and partition."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arns:
    partition: str
    region: str
    account: str

    def of(self, kind: str, name: str) -> str:
        """Makes an ARN; `kind` as it stands there: training-job, model-package-group, pipeline ..."""
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def package(self, group: str, version: int) -> str:
        return self.of("model-package", f"{group}/{version}")

    def execution(self, pipeline: str, execution_id: str) -> str:
        return self.of("pipeline", f"{pipeline}/execution/{execution_id}")


def resource(arn_or_name: str) -> str:
    """Returns what follows the kind in an ARN; a bare name stays as it is."""
    return arn_or_name.split("/", 1)[1] if arn_or_name.startswith("arn:") else arn_or_name
