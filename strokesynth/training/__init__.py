"""Training: the loop, its tasks, and what the tasks do to a corpus on the way to weights."""
