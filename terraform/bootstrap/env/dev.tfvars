# Replace everything in angle brackets; a plan fails while any is left.
account_id     = "<your-account-id>"
administrators = ["<arn-of-the-role-you-run-this-as>"]
environment    = "dev"
github         = { repository = "<owner>/<repository>" }
region         = "<your-region>"
