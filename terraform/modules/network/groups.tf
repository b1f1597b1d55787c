# Security groups. Workloads open connections and accept them only from each other; endpoints accept connections and open none.

resource "aws_security_group" "workloads" {
  # checkov:skip=CKV2_AWS_5:The caller of this module attaches jobs and functions to it
  name        = "${var.name}-workloads"
  description = "Jobs and functions: they reach each other, the endpoints and S3"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-workloads" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS services: jobs and functions call them"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

# The workers of a Glue job talk to each other on any port.
# https://docs.aws.amazon.com/glue/latest/dg/setup-vpc-for-glue-access.html
resource "aws_vpc_security_group_ingress_rule" "workers" {
  # checkov:skip=CKV_AWS_24:Only members of the same group may connect; no address range may
  # checkov:skip=CKV_AWS_25:Only members of the same group may connect; no address range may
  # checkov:skip=CKV_AWS_260:Only members of the same group may connect; no address range may
  security_group_id            = aws_security_group.workloads.id
  description                  = "Workers of a job, from each other"
  referenced_security_group_id = aws_security_group.workloads.id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  security_group_id            = aws_security_group.workloads.id
  description                  = "Workers of a job, to each other"
  referenced_security_group_id = aws_security_group.workloads.id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  security_group_id            = aws_security_group.workloads.id
  description                  = "AWS services, over TLS"
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.workloads.id
  description       = "S3, over TLS"
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "Jobs and functions, over TLS"
  referenced_security_group_id = aws_security_group.workloads.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}
