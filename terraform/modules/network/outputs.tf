output "endpoint_ids" {
  description = "Ids of the endpoints by service; s3 is the gateway endpoint."
  value       = merge({ s3 = aws_vpc_endpoint.s3.id }, { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id })
}

output "security_group_id" {
  description = "Id of the security group for jobs and functions, available once it allows them to reach the services."
  value       = aws_security_group.workloads.id

  depends_on = [
    aws_vpc_endpoint.interface,
    aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_egress_rule.workers,
    aws_vpc_security_group_ingress_rule.endpoints,
    aws_vpc_security_group_ingress_rule.workers,
  ]
}

output "subnet_ids" {
  description = "Ids of the subnets by Availability Zone, available once they have their route to S3."
  value       = { for az, subnet in aws_subnet.this : az => subnet.id }
  depends_on  = [aws_route_table_association.this]
}

output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}
