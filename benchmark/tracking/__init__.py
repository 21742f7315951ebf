"""Projects studies into MLflow."""
