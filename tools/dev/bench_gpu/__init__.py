"""What tools/dev/bench-gpu does: `prepare` where lamina is built, `run` where the GPU is."""
