"""What works off the runs of a grid: processes of this machine, or a cluster."""
