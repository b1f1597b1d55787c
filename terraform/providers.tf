provider "aws" {
  region              = var.region
  allowed_account_ids = var.skip_account_checks ? null : [var.account_id]

  skip_credentials_validation = var.skip_account_checks
  skip_metadata_api_check     = var.skip_account_checks
  skip_region_validation      = true # AWS opens regions that this version of the provider does not know
  skip_requesting_account_id  = var.skip_account_checks

  default_tags {
    tags = merge(var.tags, {
      project     = var.name
      environment = var.environment
      managed_by  = "terraform"
    })
  }
}
