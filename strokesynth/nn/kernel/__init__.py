"""The step of the pen networks in C, compiled where it is first needed, and where there is a C compiler.

Without one, everything is done by the plain steps of the networks, in torch. See `strokesynth.nn.kernel.writer`.
"""
