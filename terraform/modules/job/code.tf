# The jobs' code, each file under its own digest, so that a deployment never changes the code of a running job.

locals {
  scripts          = toset([for job in var.jobs : job.script])
  wheel            = one(fileset(var.code.wheel_folder, "*.whl"))
  wheel_sha256     = filesha256("${var.code.wheel_folder}/${local.wheel}")
  script_sha256    = { for script in local.scripts : script => filesha256("${var.code.folder}/${script}") }
  contracts_prefix = "glue/quality"

  # How the names of the jobs of a script begin: an event pattern (2048 characters) is too small to name every job.
  kinds = { for script in local.scripts : script => replace(trimsuffix(script, ".py"), "_", "-") }

  # The digest of a job's code in the lineage: sha256sum <wheel> <script> | cut -d' ' -f1 | sha256sum
  code_sha256 = { for script, digest in local.script_sha256 : script => sha256("${local.wheel_sha256}\n${digest}\n") }
}

# pip parses the name of a wheel, so it is kept.
resource "aws_s3_object" "wheel" {
  bucket             = var.code.bucket
  key                = "glue/${local.wheel_sha256}/${local.wheel}"
  source             = "${var.code.wheel_folder}/${local.wheel}"
  checksum_algorithm = "SHA256"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "script" {
  for_each = local.scripts

  bucket             = var.code.bucket
  key                = "glue/${local.script_sha256[each.key]}/${each.key}"
  content            = file("${var.code.folder}/${each.key}")
  checksum_algorithm = "SHA256"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "contract" {
  for_each = var.contracts

  bucket             = var.code.bucket
  key                = "${local.contracts_prefix}/${each.key}.json"
  content            = each.value
  content_type       = "application/json"
  checksum_algorithm = "SHA256"
}
