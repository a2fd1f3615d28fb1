"""How well the networks write and read."""
