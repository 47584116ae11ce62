"""Where artifacts run: this machine, in a child process, and emulated arm64 cores."""
