# People who sign in through IAM Identity Center: a permission set for each persona, assigned to groups.
# https://docs.aws.amazon.com/singlesignon/latest/userguide/permissionsetsconcept.html

data "aws_partition" "current" {}

data "aws_ssoadmin_instances" "this" {
  count = var.instance == null ? 1 : 0
}

locals {
  instance_arn      = var.instance != null ? var.instance.arn : one(one(data.aws_ssoadmin_instances.this[*].arns))
  identity_store_id = var.instance != null ? var.instance.identity_store_id : one(one(data.aws_ssoadmin_instances.this[*].identity_store_ids))

  group_names = toset(flatten([for persona in values(var.personas) : tolist(persona.group_names)]))

  assignments = merge(flatten([
    for name, persona in var.personas : concat(
      [for id in persona.group_ids : { "${name}/${id}" = { persona = name, group_id = id } }],
      [for group in persona.group_names : { "${name}/${group}" = { persona = name, group_id = data.aws_identitystore_group.this[group].group_id } }],
    )
  ])...)
}

data "aws_identitystore_group" "this" {
  for_each = local.group_names

  identity_store_id = local.identity_store_id

  alternate_identifier {
    unique_attribute {
      attribute_path  = "DisplayName"
      attribute_value = each.value
    }
  }
}

# A permission set has only one inline policy, so all of the persona's policies are merged.
data "aws_iam_policy_document" "this" {
  for_each = var.personas

  source_policy_documents = values(each.value.policies)
}

resource "aws_ssoadmin_permission_set" "this" {
  for_each = var.personas

  name             = "${var.prefix}-${each.key}"
  description      = each.value.description
  instance_arn     = local.instance_arn
  session_duration = "PT${each.value.session_hours}H"
}

resource "aws_ssoadmin_permission_set_inline_policy" "this" {
  for_each = var.personas

  inline_policy      = data.aws_iam_policy_document.this[each.key].json
  instance_arn       = local.instance_arn
  permission_set_arn = aws_ssoadmin_permission_set.this[each.key].arn
}

resource "aws_ssoadmin_permissions_boundary_attachment" "this" {
  for_each = var.personas

  instance_arn       = local.instance_arn
  permission_set_arn = aws_ssoadmin_permission_set.this[each.key].arn

  permissions_boundary {
    customer_managed_policy_reference {
      name = var.boundary_name
      path = "/"
    }
  }
}

# A permission set is assigned only once it has its policy and its boundary.
resource "aws_ssoadmin_account_assignment" "this" {
  for_each = local.assignments

  instance_arn       = local.instance_arn
  permission_set_arn = aws_ssoadmin_permission_set.this[each.value.persona].arn
  principal_id       = each.value.group_id
  principal_type     = "GROUP"
  target_id          = var.account_id
  target_type        = "AWS_ACCOUNT"

  depends_on = [
    aws_ssoadmin_permission_set_inline_policy.this,
    aws_ssoadmin_permissions_boundary_attachment.this,
  ]
}
