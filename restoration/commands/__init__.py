"""What is typed, but for ``fit``, which is LightningCLI's (``restoration.cli``)."""
