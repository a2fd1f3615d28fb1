"""All benchmarks, one after the other: `python -m benchmarks [options of each]`."""

from benchmarks import generation, training

generation.main()
training.main()
