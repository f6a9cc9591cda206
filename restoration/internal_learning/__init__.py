"""Networks that learn on smaller copies of the image at hand what an estimate gets wrong."""
