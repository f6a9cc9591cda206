"""What is typed: one module for each command of the command line."""
