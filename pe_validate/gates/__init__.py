"""The gates that an artifact has to pass, one module each, and their limits."""
