"""What a model is fed: photographs, structured images, and Hypothesis strategies for both."""
