"""The steps of a pipeline in the order they run, one module for each. Imported only by `pipeline`, with the SDK.

The SDK has no types: its values and the arguments that it takes by keyword are Any.
"""
