"""Load and faults: the pipeline on this machine, while the services that it calls fail."""
