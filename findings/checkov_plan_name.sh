#!/bin/sh
# checkov reads a plan as YAML and writes the file's own path into its mappings, as `__file__`. A function's environment
# variables are such a mapping: where the name of the file carries a commit's id (40 letters and digits), the function
# fails for a hard-coded AWS secret that is nowhere in the plan.
#
# Why it matters: a gate's verdict on one and the same plan depends on what a workflow calls the file.
# Expected: the same result twice. checkov, policy index, CKV_AWS_45: no hard-coded secrets in a Lambda function's
# environment; "Terraform Plan Scanning": what is scanned is the plan's JSON.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check checkov==3.3.30
cd "$folder"
venv/bin/python - <<'PY'
import hashlib
import json

values = {
    "function_name": "f",
    "handler": "handler.handler",
    "runtime": "python3.13",
    "role": "arn:aws:iam::111122223333:role/f",
    "environment": [{"variables": {"LEVEL": "INFO"}}],
}
resource = {"address": "aws_lambda_function.f", "mode": "managed", "type": "aws_lambda_function", "name": "f"}
plan = {
    "format_version": "1.2",
    "terraform_version": "1.11.4",
    "planned_values": {"root_module": {"resources": [{**resource, "values": values}]}},
    "resource_changes": [{**resource, "change": {"actions": ["create"], "before": None, "after": values}}],
    "configuration": {},
}
for name in ("1", hashlib.sha1(b"a commit").hexdigest()):
    with open(f"plan-{name}.json", "w") as file:
        json.dump(plan, file)
PY

echo "version  checkov $(venv/bin/checkov --version)"
echo "expected passed twice"
for plan in plan-*.json; do
    venv/bin/checkov --file "$plan" --framework terraform_plan --check CKV_AWS_45 --skip-download --compact --output json \
        >"$plan.result" || true
    venv/bin/python -c 'import json, sys
summary = json.load(open(sys.argv[1] + ".result"))["summary"]
print(sys.argv[1], "failed" if summary["failed"] else "passed")' "$plan"
done >results
sed 's/^/seen     /' results
test "$(cut -d' ' -f2 results | sort | tr '\n' ' ')" = "failed passed "
