"""State machines, authored in Python with the stepfunctions SDK and written to state_machines/ as ASL.

`training`, `deployment`, `face_processing`, `chained_inference` and `retraining` are one machine each; `parts` is what
they share; `render` writes them.
"""
