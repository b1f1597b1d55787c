"""CloudWatch: metrics of what runs here, and alarms that change state and act."""
