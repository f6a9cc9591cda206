"""What a picture went through before it was saved last: earlier compressions, found and undone."""
