"""The serving process of a model: laid out (`image.py`), started and watched (`server.py`), asked (`http.py`).

Endpoints and transform jobs both stand on it.
"""
