"""The page in the browser: ``restoration app``."""
