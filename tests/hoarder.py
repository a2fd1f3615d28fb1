"""A work for `benchmarks.fresh`, which imports it by name."""


def hoard(megabytes):
    """It holds so much memory for a moment, and says how many bytes."""
    return lambda: float(len(bytearray(b"x") * (megabytes * 1_000_000)))
