"""A model and a target for pe_validate, as anyone could write them."""
