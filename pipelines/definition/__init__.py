"""A request -> the definition of its pipeline, by the sagemaker SDK in a process of its own."""
