"""The machines on which artifacts run: this one, in a child process, and emulated arm64 cores."""
