"""Methods that learn from features and clinical columns."""
