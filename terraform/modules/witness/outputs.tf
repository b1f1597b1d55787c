output "function_name" {
  description = "Name of the function. Invoked by hand, without an event, it answers with the witness's verifier key: the deployment's input witnesses has it as key."
  value       = local.function
}

output "url" {
  description = "URL below which the witness takes /add-checkpoint: the deployment's input witnesses has it as url."
  value       = aws_apigatewayv2_api.this.api_endpoint
  depends_on  = [aws_apigatewayv2_route.this, aws_apigatewayv2_stage.this, aws_lambda_permission.api]
}
