"""Revoking what is not granted is an error.

moto answers as if it had revoked something. Terraform's provider revokes until Lake Formation says that
nothing is left, and so fails.
https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_RevokePermissions.html
"""

from __future__ import annotations

from moto.lakeformation.exceptions import InvalidInput
from moto.lakeformation.responses import LakeFormationResponse


def apply() -> None:
    """Look for the grant first."""
    revoke = LakeFormationResponse.revoke_permissions

    def revoke_permissions(self: LakeFormationResponse) -> str:
        granted = self.lakeformation_backend.list_permissions(
            self._get_param("CatalogId") or self.current_account, self._get_param("Principal")
        )
        asked = set(self._get_param("Permissions"))
        resource = self._get_param("Resource")
        if not any(grant["Resource"] == resource and asked & set(grant["Permissions"]) for grant in granted):
            raise InvalidInput(
                "No permissions revoked. Grantee has no permissions and no grantable permissions on resource."
            )
        return revoke(self)

    LakeFormationResponse.revoke_permissions = revoke_permissions  # type: ignore[method-assign]
