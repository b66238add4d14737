"""Container processes: started under a private /opt/ml, watched, and stopped with everything they started."""
