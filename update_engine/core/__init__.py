"""The decisions of the update engine: values in, values out."""
