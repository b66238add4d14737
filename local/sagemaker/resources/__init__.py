"""Resources that are documents and nothing else: models, endpoint configurations, the model registry, tags; and search.

Nothing here runs.
"""
