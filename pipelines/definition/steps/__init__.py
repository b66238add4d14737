"""The steps of a pipeline in the order they run, one module for each. Imported only by `pipeline`, with the SDK."""
