"""Whom a member knows, and kubeconfigs for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cluster.harness.cluster import RBAC, SYSTEM
from tests.cluster.harness.members import ACCOUNT

if TYPE_CHECKING:
    from tests.cluster.harness.members import Fleet, Member

    Json = dict[str, Any]


def account(member: Member, name: str) -> str:
    """Make a ServiceAccount with the rights of the example in a member, and return a token of it."""
    accounts = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts"
    member.admin.create(accounts, {"metadata": {"name": name}})
    grant(member, name, {"kind": "ServiceAccount", "name": name, "namespace": SYSTEM})
    body = {"spec": {"expirationSeconds": 86400}}
    token: str = member.admin.create(f"{accounts}/{name}/token", body)["status"]["token"]
    return token


def grant(member: Member, name: str, subject: Json) -> None:
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": ACCOUNT},
        "subjects": [subject],
    }
    member.admin.create(f"/apis/{RBAC}/v1/clusterrolebindings", binding)


def remove(member: Member, name: str) -> None:
    """Take a ServiceAccount away: the API server accepts its tokens no more, some seconds later."""
    member.admin.delete(f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/{name}")


def with_user(member: Member, **user: Any) -> Json:
    """Return a member's kubeconfig with another user."""
    body = member.kubeconfig()
    body["users"][0]["user"] = user
    return body


def entry(fleet: Fleet, name: str, ref: Json) -> Json:
    return {"name": fleet.full(name), "kubeconfigSecretRef": ref}
