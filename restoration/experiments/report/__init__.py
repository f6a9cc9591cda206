"""Tables, claims and figures from what a sweep left."""
