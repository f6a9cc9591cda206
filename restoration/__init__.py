"""Make a badly compressed JPEG better without ever seeing the original."""
