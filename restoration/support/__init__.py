"""What every other room needs and none owns: files, processes, progress, usage."""
