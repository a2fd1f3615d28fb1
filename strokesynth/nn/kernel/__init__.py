"""Passes of the pen networks in C, compiled where they are first needed, and where there is a C compiler.

Without one, everything is done by the plain passes of the networks, in torch. See `strokesynth.nn.kernel.writer` for
the sampling step and `strokesynth.nn.kernel.sequence` for training.
"""
