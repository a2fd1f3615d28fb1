"""From text to ink."""
