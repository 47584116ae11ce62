"""What an artifact has to pass, one module for each gate, and the limits."""
