# A sealer asks as C2SP tlog-witness has it: over https, and signed by the log alone. A function URL would need more: since
# October 2025, also that everybody may invoke the function itself.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html

locals {
  request_log = "/aws/apigateway/${local.function}"
  route       = "POST /add-checkpoint"
}

resource "aws_apigatewayv2_api" "this" {
  name          = local.function
  description   = "Asks the witness ${var.witness_name}"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = module.function.arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 9000
}

resource "aws_apigatewayv2_route" "this" {
  # checkov:skip=CKV_AWS_309:C2SP tlog-witness has no credentials but the log's signature, which the function checks before it reads or keeps anything; the stage limits requests
  api_id    = aws_apigatewayv2_api.this.id
  route_key = local.route
  target    = "integrations/${aws_apigatewayv2_integration.this.id}"
}

# A log asks twice an hour at most. More is not let through to the function, whoever asks: neither the account's concurrency nor
# its bill is in the hands of strangers.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_burst_limit = 5
    throttling_rate_limit  = 1
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.requests.arn
    format = jsonencode({
      bytes      = "$context.responseLength"
      error      = "$context.error.message"
      request_id = "$context.requestId"
      route      = "$context.routeKey"
      source_ip  = "$context.identity.sourceIp"
      status     = "$context.status"
      time       = "$context.requestTime"
    })
  }
}

resource "aws_cloudwatch_log_group" "requests" {
  name              = local.request_log
  kms_key_id        = module.key.arn
  retention_in_days = var.log_days
}

resource "aws_lambda_permission" "api" {
  statement_id   = "ApiAsks"
  action         = "lambda:InvokeFunction"
  function_name  = module.function.arn
  principal      = "apigateway.amazonaws.com"
  source_account = var.account_id
  source_arn     = "arn:${data.aws_partition.current.partition}:execute-api:${local.here}:${aws_apigatewayv2_api.this.id}/*/${replace(local.route, " ", "")}"
}
