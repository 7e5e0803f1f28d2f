"""SSM: read and write parameters."""

from __future__ import annotations

from typing import Any, Literal

from aws_client import client, error_code, explained
from botocore.exceptions import ClientError

from st_ops.sdk import ActionFailed, Context, Secret, action


@action(
    idempotent=True,
    timeout=60,
    output_schema={
        "name": {"type": "string"},
        "value": {"type": "string", "secret": True},
        "type": {"type": "string"},
        "version": {"type": "integer"},
        "last_modified": {"type": "string"},
    },
)
@explained
def ssm_get_parameter(ctx: Context, name: str) -> dict[str, Any]:
    """Read a parameter; its value is treated as a secret.

    Args:
        name: Name of the parameter, e.g. /shop/database/password.
    """
    found = _read(client(ctx, "ssm"), name)
    if found is None:
        raise ActionFailed(f"There is no SSM parameter '{name}' in this region.")
    return found


@action(idempotent=True, timeout=60)
@explained
def ssm_put_parameter(
    ctx: Context,
    name: str,
    value: Secret,
    parameter_type: Literal["String", "StringList", "SecureString"] = "SecureString",
    description: str = "",
) -> dict[str, Any]:
    """Write a parameter; one that has this value already gets no new version.

    Args:
        name: Name of the parameter, e.g. /shop/database/password.
        value: Its value.
        parameter_type: How SSM keeps it.
        description: What it is for.
    """
    ssm = client(ctx, "ssm")
    present = _read(ssm, name)
    if present is not None and (present["value"], present["type"]) == (value, parameter_type):
        return {"name": name, "version": present["version"], "changed": False}
    more = {"Description": description} if description else {}
    answer = ssm.put_parameter(Name=name, Value=value, Type=parameter_type, Overwrite=True, **more)
    return {"name": name, "version": answer["Version"], "changed": True}


def _read(ssm: Any, name: str) -> dict[str, Any] | None:
    try:
        found = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise
    return {
        "name": found["Name"],
        "value": found["Value"],
        "type": found["Type"],
        "version": found["Version"],
        "last_modified": found["LastModifiedDate"],
    }
