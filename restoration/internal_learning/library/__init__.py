"""Networks that learn once, on all pictures of a library, from the JPEGs alone."""
