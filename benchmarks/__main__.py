"""All benchmarks, one after the other: `python -m benchmarks [options of each]`."""

from benchmarks import generation, recognition, training

generation.main()
recognition.main()
training.main()
