"""An app that names plants by their leaves."""
