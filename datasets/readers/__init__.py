"""Tables and images as their owners saved them."""
