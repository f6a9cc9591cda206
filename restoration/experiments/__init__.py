"""Many runs: the grid, the engines that work it off, and the report on what they left."""
