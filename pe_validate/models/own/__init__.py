"""A user's own models: any ``nn.Module``, named in a configuration file or given from Python."""
