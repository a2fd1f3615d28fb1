"""From ink to text."""
